"""Tars of images: the batches of a folder, resumed to the same weights, and samples that are none are named."""

import json
import shutil
import tarfile

import pytest

from archspec_runtime.errors import DataError
from image_sets import jpeg, opened, said, samples, seen, tar


def test_tars_give_the_batches_of_a_folder(photos, shards, cli):
    expected = seen(photos)
    assert seen(shards, "webdataset") == expected
    pytest.importorskip("braceexpand")
    assert seen(shards, "webdataset", train="train-{000..001}.tar", test="test-*.tar") == expected
    assert "train images" in said(cli("data", "verify", shards), 0)


def test_tars_to_validate_on_are_no_part_of_those_to_test_on(shards):
    tar(shards / "val-000.tar", [("a.jpg", jpeg(1)), ("a.cls", b"1")])
    found = opened(shards, "webdataset")
    assert (len(found.train), len(found.validation), len(found.test)) == (12, 1, 4)
    (shards / "test-000.tar").unlink()
    alone = opened(shards, "webdataset")
    assert (alone.validation, len(alone.test)) == (None, 1)
    (shards / "val-000.tar").unlink()
    with pytest.raises(DataError, match="to measure the error on") as caught:
        opened(shards, "webdataset")
    assert "train.data.test=PATTERN" in caught.value.hint


def test_images_without_labels_are_of_their_folders_classes(photos, tmp_path):
    folder = tmp_path / "trees"
    folder.mkdir()
    for split in ("train", "test"):
        tar(folder / f"{split}.tar", [(f"./{split}/{name}/{number}.jpg", raw)
                                      for s, name, _, number, raw in samples() if s == split])  # fmt: skip
    assert seen(folder, "webdataset") == seen(photos)


def test_a_run_on_tars_is_resumed_with_other_workers_to_the_same_weights(cli, shards, spec, tmp_path):
    pytest.importorskip("torch")
    spec("input: {channels: 3, size: 16}\nclasses: 2\nstem: [{c: {conv: {out: 4, kernel: 3}}}, {b: norm}, {a: act}]\n"
         "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
         "train:\n  data: {dataset: webdataset, augment: [{resize_shorter: [20, 40]}, random_crop, hflip, pca_lighting],\n"
         "         normalize: per_pixel_mean, eval_resize: 20}\n  batch_size: 4\n  steps: 5\n")  # fmt: skip
    given = ("train", "net.yaml", "--data", shards, "--device", "cpu", "--threads", 1, "--compile", "off")
    said(cli(*given, "--out", "whole", "--workers", 1), 0)
    said(cli(*given, "--out", "cut", "--workers", 0, "--checkpoint-every", 2), 0)
    newest = tmp_path / "cut" / "checkpoints" / "step-00000005"
    shutil.rmtree(newest)
    record = json.loads((tmp_path / "cut" / "run.json").read_text())
    assert "pillow" in record["images"]
    record["images"]["pillow"] = "1.0"
    (tmp_path / "cut" / "run.json").write_text(json.dumps(record))
    result = cli(*given, "--out", "cut", "--workers", 2, "--resume")
    assert "this run read its images with pillow 1.0, which is now" in said(result, 0)
    weights = "checkpoints/step-00000005/weights.safetensors"
    assert (tmp_path / "cut" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("a.jpg", jpeg(1))], "a.jpg has no label"),
        ([("a.jpg", jpeg(1)), ("a.cls", b"dog")], "the label of a.jpg is 'dog', not a whole number"),
        (
            [("a.jpg", jpeg(1)), ("a.cls", b"9" * 30)],
            "the label of .*train-001.tar:a.jpg is 9{30}, and there are fewer",
        ),
        ([("a.jpg", jpeg(1)), ("a.png", jpeg(1)), ("a.cls", b"1")], "has 2 images of the name a: a.jpg, a.png"),
        ([("a.txt", b"x")], "hold no images"),
    ],
)
def test_a_sample_that_is_not_one_is_named(shards, members, says):
    tar(shards / "train-001.tar", members)
    if says == "hold no images":
        tar(shards / "train-000.tar", members)
    with pytest.raises(DataError, match=says):
        opened(shards, "webdataset")


def test_damaged_tars_and_patterns_that_lead_elsewhere_are_named(shards):
    whole = (shards / "train-000.tar").read_bytes()
    (shards / "train-000.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train-000\.tar is (cut off|not a plain tar)"):
        opened(shards, "webdataset")
    import gzip

    (shards / "train-000.tar").write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match=r"train-000\.tar is not a plain tar"):
        opened(shards, "webdataset")
    for pattern in ("/etc/*.tar", "../shards/train*.tar"):
        with pytest.raises(DataError, match="leads out of"):
            opened(shards, "webdataset", train=pattern)
    with pytest.raises(DataError, match="holds nothing of the form learn"):
        opened(shards, "webdataset", train="learn*.tar")


def test_links_in_tars_are_nobodys_samples(shards):
    with tarfile.open(shards / "train-001.tar", "a") as made:
        info = tarfile.TarInfo("z.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(info)
    assert len(opened(shards, "webdataset").train) == 12

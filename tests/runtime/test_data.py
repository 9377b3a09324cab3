"""`archspec data verify` and `data pack`: by really damaging, packing and reading images."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from archspec_runtime.data.cifar_files import MD5
from archspec_runtime.errors import DataError
from image_sets import opened, said, seen

# --- verify --------------------------------------------------------------------------------------------


def test_a_sound_folder_is_counted(cli, photos):
    output = said(cli("data", "verify", photos), 0)
    assert re.search(r"^classes +2$", output, re.M)
    assert re.search(r"^train images +12$", output, re.M)
    assert re.search(r"^test images of a class +2 to 2$", output, re.M)


def test_everything_that_is_wrong_is_named_in_one_run(cli, photos, spec):
    (photos / "train" / "cat" / "2.jpg").write_bytes(b"<html>404</html>")
    cut = photos / "train" / "dog" / "4.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    (photos / "test" / "dog" / "1.jpg").write_bytes(b"")
    (photos / "train" / "eel").mkdir()
    for other in ("fox", "gnu"):
        (photos / "test" / other).mkdir()
    output = said(cli("data", "verify", photos, "--spec", "resnet18"), 1)
    table = output[output.index("faults") :]
    assert "\n7 faults\n" in output
    classes = "has 3 classes, and the net tells 1,000 apart"
    files = ("train/cat/2.jpg", "train/dog/4.jpg", "test/dog/1.jpg", "test/fox", "test/gnu")
    for where in (*files, "train/eel", classes):
        assert where in table, where


def test_an_empty_class_is_one_fault_with_the_folders_that_are_there(cli, photos, spec):
    (photos / "test").rename(photos / "val")
    empty = photos / "train" / "empty"
    empty.mkdir()
    spec("input: {channels: 3, size: 16}\nclasses: 2\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n")
    output = said(cli("data", "verify", photos, "--spec", "net.yaml", "--dataset", "image_folder"), 1)
    assert "\n1 fault\n" in output
    assert re.search(rf"^  {re.escape(str(empty))}  has no images in train or val$", output, re.M)
    assert re.search(r"^val images +4$", output, re.M)
    assert "test" not in output.replace(str(photos), "")


@pytest.mark.parametrize("kind", ["nothing", "unknown", "strange"])
def test_what_cannot_be_verified_says_why(cli, tmp_path, kind):
    (tmp_path / "empty").mkdir()
    given = {
        "nothing": ("gone", "gone does not exist"), "unknown": ("empty", "holds no data set that is known"),
        "strange": ("empty", "there is no data set 'mnist'"),
    }[kind]  # fmt: skip
    more = ("--dataset", "mnist") if kind == "strange" else ()
    result = cli("data", "verify", given[0], *more)
    assert given[1] in result.stderr
    assert "help:" in result.stderr
    assert result.exit_code in (1, 2)


def test_all_damaged_files_of_cifar_are_named_with_checksums(cli, tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    import pickle

    fine = {b"data": np.zeros((10_000, 3072), np.uint8), b"fine_labels": [1] * 10_000}
    (folder / "test").write_bytes(pickle.dumps(fine, protocol=2))
    (folder / "train").write_bytes(b"not a pickle")
    output = said(cli("data", "verify", tmp_path), 1)
    assert "train is not an official CIFAR pickle" in output
    assert f"the official file's {MD5['test']}" in output
    assert re.search(r"^kind +cifar100$", output, re.M)


# --- pack ----------------------------------------------------------------------------------------------


def test_packed_images_are_the_same_in_every_batch(cli, photos, tmp_path):
    assert "12" not in said(cli("data", "pack", photos, "packed"), 0).split(":")[0]
    assert seen(tmp_path / "packed") == seen(photos)
    assert said(cli("data", "verify", "packed"), 0)
    said(cli("data", "pack", photos, "plain", "--as", "raw"), 0)
    assert seen(tmp_path / "plain") == seen(photos)


def test_images_are_made_smaller_where_asked(cli, photos, tmp_path):
    for form in ("jpeg", "raw"):
        said(cli("data", "pack", photos, form, "--as", form, "--size", 20), 0)
        test = opened(tmp_path / form).test
        assert {test.image(i).size for i in range(4)} == {(26, 20)}
        expected = opened(photos).test.image(0).resize((26, 20), Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(test.image(0), int) - np.asarray(expected)).mean() < 12
    assert "--as jpeg" in cli("data", "pack", photos, "x", "--size", 20).stderr


def test_packing_overwrites_nothing_and_leaves_nothing_half_made(cli, photos, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis").write_text("x")
    assert "is there already" in said(cli("data", "pack", photos, "there"), 2)
    (photos / "train" / "dog" / "5.jpg").write_bytes(b"x")
    before = {p.name for p in tmp_path.iterdir()}
    output = said(cli("data", "pack", photos, "packed"), 1)
    assert "train/dog/5.jpg cannot be read" in output
    assert "--corrupt skip" in output
    assert {p.name for p in tmp_path.iterdir()} == before
    assert "15 images" in said(cli("data", "pack", photos, "packed", "--corrupt", "skip"), 0)
    assert len(opened(tmp_path / "packed").train) == 11


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("train.bin", lambda raw: raw[:-1]),
        ("train.index.npy", lambda raw: raw[:-8]),
        ("train.index.npy", lambda raw: raw[:-8] + (9).to_bytes(8, "little")),
        ("train.names.txt", lambda raw: raw + b"more\n"),
        ("pack.json", lambda raw: raw[:-9]),
        ("pack.json", lambda raw: b"[]"),
        ("test.bin", None),
        ("train.index.npy", lambda raw: raw.replace(b"(12, 3)", b"(9876543210123, 3)")[: len(raw)]),
        ("pack.json", "huge"),
        ("train.names.txt", "huge"),
        ("train.names.txt", "pipe"),
    ],
)
def test_a_packed_data_set_that_is_not_whole_is_named(cli, photos, tmp_path, file, change):
    said(cli("data", "pack", photos, "packed"), 0)
    path = tmp_path / "packed" / file
    if change == "huge":
        os.truncate(path, 1 << 40)
    elif change in (None, "pipe"):
        path.unlink()
        if change:
            os.mkfifo(path)
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match="packed is not a whole packed data set") as caught:
        opened(tmp_path / "packed")
    assert "archspec data pack" in caught.value.hint

"""What of a tar is no image and no label: left out by the rule for folders, counted and named by `data verify`."""

import io
import os
import re
import tarfile

import pytest
from PIL import Image

from archspec_runtime.errors import DataError
from image_sets import COUNTS, as_tars, counts, faults, jpeg, opened, said, samples, tar


def add(path, name, content=b"", **more):
    with tarfile.open(path, "a") as made:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        for key, value in more.items():
            setattr(info, key, value)
        made.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("prefix", ["./", "././", "../a/"])
def test_names_in_tars_that_begin_with_this_folder_are_not_hidden(tmp_path, prefix):
    folder = tmp_path / "trees"
    folder.mkdir()
    for split in ("train", "test"):
        tar(folder / f"{split}.tar", [(f"{prefix}{name}/{number}.jpg", raw)
                                      for s, name, _, number, raw in samples() if s == split])  # fmt: skip
    found = opened(folder, "webdataset")
    assert (found.classes, counts(found)) == (("cat", "dog"), COUNTS)


def test_resource_forks_in_tars_are_passed_over(shards, cli):
    for name in ("._cat0.jpg", "sub/._0000.jpg", "__MACOSX/._cat0.cls", "__MACOSX/cat0.jpg"):
        add(shards / "train-000.tar", name, b"Mac OS X")
    assert counts(opened(shards, "webdataset")) == COUNTS
    output = said(cli("data", "verify", shards), 0)
    assert re.search(r"^left out +4$", output, re.M)


def test_links_and_labels_without_images_in_tars_are_named(shards, cli):
    add(shards / "train-000.tar", "z.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    add(shards / "train-000.tar", "y.cls", b"1")
    named = faults(said(cli("data", "verify", shards), 1))
    assert {name.rpartition(":")[2] for name in named} == {"z.jpg", "y.cls"}


def test_the_image_of_a_sample_is_the_one_without_another_word_or_the_one_that_is_chosen(tmp_path):
    mask = io.BytesIO()
    Image.new("L", (8, 8)).save(mask, "PNG")
    folder = tmp_path / "masks"
    folder.mkdir()
    for split in ("train", "test"):
        members = []
        for s, name, label, number, raw in samples():
            if s == split:
                members += [(f"{name}{number}.seg.png", mask.getvalue()), (f"{name}{number}.jpg", raw),
                            (f"{name}{number}.cls", str(label).encode())]  # fmt: skip
        tar(folder / f"{split}.tar", members)
    found = opened(folder, "webdataset")
    assert counts(found) == COUNTS
    assert {found.train.name(i).rpartition(".")[2] for i in range(12)} == {"jpg"}
    chosen = opened(folder, "webdataset", image="seg.png")
    assert chosen.train.image(0).size == (8, 8)
    with pytest.raises(DataError, match="hold no images"):
        opened(folder, "webdataset", image="webp")


def test_labels_of_tars_may_be_names_or_values_of_json(tmp_path):
    for kind in ("text", "json"):
        folder = tmp_path / kind
        folder.mkdir()
        for split in ("train", "test"):
            members = []
            for s, name, _, number, raw in samples():
                if s == split:
                    label = ("cls", name) if kind == "text" else ("json", f'{{"species": "{name}"}}')
                    members += [(f"{name}{number}.jpg", raw), (f"{name}{number}.{label[0]}", label[1].encode())]
            tar(folder / f"{split}.tar", members)
    for found in (
        opened(tmp_path / "text", "webdataset"),
        opened(tmp_path / "json", "webdataset", label="json:species"),
    ):
        assert found.classes == ("cat", "dog")
        assert counts(found) == COUNTS
    with pytest.raises(DataError, match="has no 'genus'"):
        opened(tmp_path / "json", "webdataset", label="json:genus")


@pytest.mark.parametrize(
    ("label", "says"), [(b"-1", "the label is -1"), (b"0.5", "the label is 0.5"), (b"", "holds no label")]
)
def test_a_label_of_a_tar_that_is_no_class_is_named_with_its_value(shards, label, says):
    tar(shards / "train-001.tar", [("a.jpg", jpeg(1)), ("a.cls", label)])
    with pytest.raises(DataError, match=rf"train-001\.tar: a\.cls.*{re.escape(says)}") as caught:
        opened(shards, "webdataset")
    assert ("without a label" in caught.value.hint) == (label == b"-1")


def test_images_in_deeper_folders_of_tars_make_no_class(tmp_path):
    folder = tmp_path / "trees"
    folder.mkdir()
    for split in ("train", "test"):
        tar(folder / f"{split}.tar", [(f"{name}/{'sub/' if number == 1 and name == 'cat' else ''}{number}.jpg", raw)
                                      for s, name, _, number, raw in samples() if s == split])  # fmt: skip
    found = opened(folder, "webdataset")
    assert found.classes == ("cat", "dog")
    assert counts(found) == {"train": (5, 6), "test": (1, 2)}
    assert "cat/sub/1.jpg" in found.notices[0]


@pytest.mark.parametrize("kind", ["tar", "cifar", "given"])
def test_a_pipe_in_the_place_of_an_archive_is_named_at_once(tmp_path, cli, kind):
    folder = tmp_path / "here"
    if kind == "tar":
        path = as_tars(folder) / "train-000.tar"
        path.unlink()
    else:
        folder.mkdir()
        path = folder / ("data_batch_1.bin" if kind == "cifar" else "cifar-10.tar.gz")
    os.mkfifo(path)
    result = cli("data", "verify", path if kind == "given" else folder)
    assert result.exit_code in (1, 2)
    assert "a pipe (FIFO)" in result.output + result.stderr

"""What is no image or no class: left out by one rule, counted, named by `data verify`, and warned of in training."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from archspec_runtime.errors import DataError
from image_sets import COUNTS, as_folder, as_tars, counts, faults, jpeg, opened, said
from runs import forked


def test_what_systems_leave_behind_is_neither_class_nor_image_and_no_fault(photos, cli):
    train = photos / "train"
    for folder in (".ipynb_checkpoints", "@eaDir", "__MACOSX"):
        (train / folder).mkdir()
        (train / folder / "0.jpg").write_bytes(jpeg(1))
    (train / "cat" / "@eaDir").mkdir()
    (train / "cat" / "._0.jpg").write_bytes(b"resource fork")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (train / "dog" / name).write_text("x")
        (train / name).write_text("x")
    found = opened(photos)
    assert counts(found) == COUNTS
    assert found.notices == ()
    output = said(cli("data", "verify", photos), 0)
    assert re.search(r"^left out +11$", output, re.M)
    assert "cat/._0.jpg" in output
    assert "@eaDir" in output


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPEG", "JPG"])
def test_jpegs_by_any_name_of_theirs_are_images(photos, suffix):
    for number in range(3):
        (photos / "train" / "cat" / f"{number}.jpg").rename(photos / "train" / "cat" / f"{number}.{suffix}")
    assert counts(opened(photos)) == COUNTS


def test_images_in_deeper_folders_and_of_odd_suffixes_are_counted_and_named(photos, cli):
    cat = photos / "train" / "cat"
    (cat / "sub" / "deep").mkdir(parents=True)
    for number in range(3):
        (cat / f"{number}.jpg").rename(cat / "sub" / "deep" / f"{number}.jpg")
    (cat / "3.jpg").rename(cat / "3.heif")
    (cat / "foo.jpg").mkdir()
    (cat / "labels.txt").write_text("a cat")
    (photos / "train" / "beside.jpg").write_bytes(jpeg(3))
    found = opened(photos)
    assert counts(found)["train"] == (2, 6)
    (notice,) = found.notices
    assert "1 files" not in notice
    assert "3 images" in notice
    named = faults(said(cli("data", "verify", photos), 1))
    assert {name.rpartition("/train/")[2] for name in named} == {
        "cat/sub",
        "cat/3.heif",
        "cat/foo.jpg",
        "beside.jpg",
    }
    assert "3 images" in named[str(cat / "sub")]


def test_a_class_without_images_is_warned_of_before_training(photos, spec, cli):
    pytest.importorskip("torch")
    dog = photos / "train" / "dog"
    dog.rename(photos / "train" / "all")
    dog.mkdir()
    (photos / "train" / "all").rename(dog / "all")
    spec("input: {channels: 3, size: 16}\nclasses: 2\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
         "train: {data: {dataset: image_folder, augment: [{resize_shorter: [20, 40]}, random_crop], eval_resize: 20},\n"
         "        batch_size: 4, steps: 1}\n")  # fmt: skip
    result = cli("train", "net.yaml", "--data", photos, "--device", "cpu", "--workers", 0, "--compile", "off")
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert any("1 class has no images in train: 'dog'" in line for line in warnings)
    assert re.search(r"^warning: of \S+, 1 left out:$", result.stderr, re.M)
    row = r"^  1 folder inside that of a class, with 6 images in it: \S+dog/all$"
    assert re.search(row, result.stderr, re.M)


@pytest.mark.parametrize("kind", ["empty", "of one split"])
def test_another_number_of_classes_names_the_folder_that_is_none(photos, kind):
    extra = photos / "train" / "backup"
    extra.mkdir()
    if kind != "empty":
        (extra / "0.jpg").write_bytes(jpeg(0))
    with pytest.raises(DataError, match=r"3 classes, and the net 2; without .*'backup'") as caught:
        opened(photos)
    assert caught.value.hint.startswith("take those folders out where they are no classes")


def test_a_class_whose_name_begins_with_a_dot_is_told_where_it_is_missed(photos):
    (photos / "train" / "cat").rename(photos / "train" / ".cat")
    shutil.rmtree(photos / "test" / "cat")
    with pytest.raises(DataError, match=r"1 class, and the net 2; left out by their names: \S+train/\.cat"):
        opened(photos)


def test_packing_says_what_it_leaves_out_and_refuses_classes_of_one_split(photos, cli):
    (photos / "train" / "cat" / "sub").mkdir()
    (photos / "train" / "cat" / "1.jpg").rename(photos / "train" / "cat" / "sub" / "1.jpg")
    for name in ("notes.txt", "more.txt"):
        (photos / "train" / "dog" / name).write_text("x")
    result = cli("data", "pack", photos, "packed")
    first, *rows = [line for line in result.stderr.splitlines() if line]
    assert first == f"warning: of {photos}, 3 left out:"
    assert rows == [
        f"  2 files without the suffix of an image: such as {photos}/train/dog/more.txt",
        f"  1 folder inside that of a class, with 1 image in it: {photos}/train/cat/sub",
        "  `archspec data verify` names them all",
    ]
    assert "15 images" in result.stdout
    (photos / "test" / "eel").mkdir()
    assert "there is no class 'eel' in train/" in said(cli("data", "pack", photos, "other"), 1)


def test_only_regular_files_are_images_and_nothing_waits_for_others(photos, cli):
    cat = photos / "train" / "cat"
    os.mkfifo(cat / "pipe.png")
    (cat / "zero.jpg").symlink_to("/dev/zero")
    (cat / "linked.jpg").symlink_to(cat / "0.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(cat)  # the path of a socket is short
        server.bind("s.jpg")
        os.chdir(here)
        assert counts(opened(photos))["train"] == (7, 6)
        named = faults(said(cli("data", "verify", photos), 1))
    assert {name.rpartition("/")[2] for name in named} == {"pipe.png", "zero.jpg", "s.jpg"}
    assert "a pipe (FIFO)" in named[str(cat / "pipe.png")]
    assert "a device" in named[str(cat / "zero.jpg")]


def test_an_image_that_claims_more_bytes_than_any_has_is_named_before_it_is_read(photos, cli):
    huge = photos / "train" / "cat" / "2.jpg"
    with open(huge, "r+b") as file:
        file.truncate(1 << 40)
    assert "1,099,511,627,776 bytes" in faults(said(cli("data", "verify", photos), 1))[str(huge)]
    with pytest.raises(DataError, match=r"2\.jpg cannot be read as an image: it has 1,099,511,627,776 bytes"):
        opened(photos).train.photo(2)


def test_a_link_that_leads_nowhere_is_a_missing_image(photos, cli):
    (photos / "train" / "cat" / "gone.jpg").symlink_to("/nowhere/gone.jpg")
    named = faults(said(cli("data", "verify", photos), 1))
    assert named[str(photos / "train" / "cat" / "gone.jpg")].startswith("No such file")


AS_NOBODY = forked("""
import os, sys
from pathlib import Path
from PIL import Image
import archspec_cli.commands.data, archspec_runtime.data.verify, typer.rich_utils
from typer.testing import CliRunner
from archspec_cli.main import app, main
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.images.libraries import optional
from archspec_runtime.errors import DataError
from archspec_runtime import Data
Image.init()
optional("simplejpeg")
CliRunner().invoke(app, ["data", "verify", "/nowhere"])  # so that what a message needs is imported
if os.getuid() == 0:  # who may read everything
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
if sys.argv[1] == "data":
    main()
try:
    kind = sys.argv[3] if len(sys.argv) > 3 else "image_folder"
    found = open_dataset(Data(dataset=kind, eval_resize=20), Path(sys.argv[2]), input_shape=(3, 16, 16), classes=2, seed=0)
    found.train.image(1)
    sys.exit("all was read")
except DataError as error:
    sys.exit(f"error: {error}")
""")


@pytest.mark.parametrize("place", ["", "train", "test", "train/cat", "train/cat/1.jpg"])
def test_what_may_not_be_read_stops_and_is_named(place):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = as_folder(Path(folder) / "photos")
        os.chmod(root / place, 0)
        for words in (["data", "verify", root], ["read", root]):
            done = subprocess.run([sys.executable, "-c", AS_NOBODY, *words], capture_output=True, text=True, timeout=120,
                                  check=False)  # fmt: skip
            output = done.stdout + done.stderr
            assert done.returncode in (1, 2), output
            assert "Traceback" not in output
            if place or words[0] == "read":  # of a folder itself the command line speaks, in a box
                assert f"{root / place}" in output
                assert "Permission denied" in output
                assert "chmod" in output or words[0] == "data"
            else:
                assert "not readable" in " ".join(output.split())
        os.chmod(root / place, 0o755)


@pytest.mark.parametrize("place", ["", "train-001.tar"])
def test_tars_that_may_not_be_read_are_named(place):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = as_tars(Path(folder) / "shards")
        os.chmod(root / place, 0)
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, "read", root, "webdataset"], capture_output=True,
                              text=True, timeout=120, check=False)  # fmt: skip
        os.chmod(root / place, 0o755)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {root / place} cannot be read: Permission denied")
    assert "chmod" in done.stderr

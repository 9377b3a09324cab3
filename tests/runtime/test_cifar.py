"""CIFAR in every published form, and what is said of files that are none."""

import importlib.util
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from archives import archive
from archspec_runtime.batches.normalization import measure
from archspec_runtime.data.cifar import LAYOUTS, read_cifar
from archspec_runtime.errors import DataError
from archspec_runtime.recipe.images import Data
from conftest import SHARED


def read(name, folder):
    return read_cifar(name)(folder, (3, 32, 32), 10, Data())


def test_real_cifar10_is_the_same_in_every_published_form(tmp_path):
    script = SHARED / "cifar10.py"
    if not script.exists():
        pytest.skip("the CIFAR-10 images are not on this machine")
    spec = importlib.util.spec_from_file_location("cifar10_images", script)
    images = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(images)
    test_x, test_y = images.read("test")  # the ten thousand are test images and, five times, those for training
    train_x, train_y = np.tile(test_x, (5, 1, 1, 1)), np.tile(test_y, 5)
    images.read = {"train": (train_x, train_y), "test": (test_x, test_y)}.get
    images.write_python(tmp_path)
    images.write_binary(tmp_path)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz", compresslevel=0) as made:
        made.add(tmp_path / "cifar-10-batches-bin", "cifar-10-batches-bin")
    forms = ["cifar-10-batches-py", "cifar-10-batches-bin", "cifar-10-binary.tar.gz"]
    for form in forms:
        found = read("cifar10", tmp_path / form)
        # numpy.testing takes seconds to compare so much
        assert np.array_equal(found.train.images, train_x)
        assert np.array_equal(found.train.labels, train_y)
        assert np.array_equal(found.test.images, test_x)
        np.testing.assert_array_equal(np.bincount(found.test.labels), [1000] * 10)
    assert read("cifar10", tmp_path).classes == tuple(images.CLASSES)
    # measured on the test images of the official release; stored as JPEG they differ in the fourth digit
    mean = measure("per_channel_mean", found.train, (3, 32, 32)).mean
    np.testing.assert_allclose(mean[:, 0, 0], [0.4942, 0.4851, 0.4504], atol=2e-3)


def records(count, labels, label_bytes=1):
    made = np.zeros((count, label_bytes + 3072), np.uint8)
    made[:, label_bytes - 1] = labels
    made[:, label_bytes] = np.arange(count) % 251  # the first pixel tells records apart
    return made


@pytest.fixture(scope="module")
def made10(tmp_path_factory):
    """Files in the binary form of CIFAR-10 that hold next to nothing."""
    out = tmp_path_factory.mktemp("made10") / "cifar-10-batches-bin"
    out.mkdir()
    for file, count in (*LAYOUTS["cifar10"]["binary"].train, *LAYOUTS["cifar10"]["binary"].test):
        records(count, np.arange(count) % 10).tofile(out / file)
    return out


@pytest.fixture
def damaged(made10, tmp_path):
    """The folder of CIFAR-10 with one file changed."""

    def make(name, change):
        folder = tmp_path / "cifar-10-batches-bin"
        folder.mkdir()
        for path in made10.iterdir():
            if path.name != name:
                os.link(path, folder / path.name)
        change(made10 / name, folder / name)
        return folder

    return make


def cut(source, target):
    target.write_bytes(source.read_bytes()[:-5])


def label_12(source, target):
    rows = np.fromfile(source, np.uint8).reshape(-1, 3073)
    rows[17, 0] = 12
    rows.tofile(target)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda source, target: None, ["No such file"]),
        (cut, ["30,729,995 bytes", "30,730,000"]),
        (lambda source, target: target.touch(), ["0 bytes"]),
        (label_12, ["record 17 is 12", "10 classes"]),
        (lambda source, target: target.mkdir(), ["Is a directory"]),
    ],
    ids=["missing", "cut off", "empty", "label out of range", "a folder"],
)
@pytest.mark.parametrize("file", ["data_batch_1.bin", "test_batch.bin"])
def test_a_damaged_cifar_file_is_named_with_a_remedy(damaged, file, change, says):
    folder = damaged(file, change)
    with pytest.raises(DataError) as caught:
        read("cifar10", folder.parent)
    assert str(folder / file) in caught.value.message
    assert all(word in caught.value.message for word in says)
    assert "official archive" in caught.value.hint


@pytest.mark.parametrize("there", ["nothing", "no folder", "other files", "other archive"])
def test_a_folder_without_cifar_says_what_to_fetch(tmp_path, there):
    folder = tmp_path / "data"
    if there != "no folder":
        folder.mkdir()
        (folder / "notes.txt").write_text("x")
    given = {"other archive": folder / "notes.txt", "nothing": None}.get(there, folder)
    with pytest.raises(DataError) as caught:
        read("cifar10", given)
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in caught.value.hint
    assert "--data" in caught.value.hint


def test_cifar100_labels_are_the_fine_ones_in_both_forms(tmp_path):
    fine, coarse = np.arange(50_000) % 100, np.arange(50_000) % 20
    rows = records(50_000, fine, 2)
    rows[:, 0] = coarse
    binary, python = tmp_path / "cifar-100-binary", tmp_path / "cifar-100-python"
    for folder in (binary, python):
        folder.mkdir()
    for name, count in (("train", 50_000), ("test", 10_000)):
        rows[:count].tofile(binary / f"{name}.bin")
        batch = {b"data": rows[:count, 2:], b"fine_labels": fine[:count].tolist(), b"coarse_labels": [0] * count}
        (python / name).write_bytes(pickle.dumps(batch, protocol=2))
    for folder in (binary, python):
        found = read("cifar100", folder)
        np.testing.assert_array_equal(found.train.labels, fine)
        np.testing.assert_array_equal(found.train.images[:, 0, 0, 0], np.arange(50_000) % 251)
        assert (len(found.test), len(found.classes)) == (10_000, 100)
    wrong = {b"data": rows[:, 2:], b"fine_labels": [100, *fine[1:].tolist()]}
    (python / "train").write_bytes(pickle.dumps(wrong, protocol=2))
    with pytest.raises(DataError, match="record 0 is 100, and there are 100 classes"):
        read("cifar100", python)


def test_an_archive_writes_nothing_and_its_strange_members_are_passed_over(made10, tmp_path):
    strange = [
        ("../evil", b"x"), ("../../cifar-10-batches-bin/data_batch_1.bin", b"x"), ("/tmp/evil-archspec", b"x"),
        ("link", (tarfile.SYMTYPE, "/etc/passwd")), ("pipe", (tarfile.FIFOTYPE, "")),
    ]  # fmt: skip
    whole = [(p.name, p.read_bytes()) for p in made10.iterdir()]
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(archive([*strange, *whole, *strange]))
    found = read("cifar10", path)
    np.testing.assert_array_equal(found.train.labels, np.tile(np.arange(10), 5000))
    assert list(tmp_path.iterdir()) == [path]
    assert not (tmp_path.parent / "evil").exists()
    assert not Path("/tmp/evil-archspec").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_link_in_place_of_an_archives_file_is_not_followed(kind, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(archive([("data_batch_1.bin", (kind, "/etc/passwd"))]))
    with pytest.raises(DataError, match=r"has no data_batch_1\.bin") as caught:
        read("cifar10", path)
    assert "download it again" in caught.value.hint


def test_an_archives_member_that_claims_to_be_huge_is_refused(tmp_path):
    info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    info.size = 1 << 40
    import gzip

    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(4096)))
    with pytest.raises(DataError, match=r"data_batch_1\.bin is far larger than the official file"):
        read("cifar10", tmp_path)


def test_a_damaged_archive_is_named_wherever_the_damage_is(tmp_path):
    random = np.random.default_rng(0)
    text = bytes(random.integers(48, 58, 30_000, np.uint8))  # compresses, so that damage reaches the code tables
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(archive([("data_batch_1.bin", text), ("data_batch_2.bin", text)]))
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 97), *range(10, 400, 3)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
            read("cifar10", path)
    for end in (0, 5, 20, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz"):
            read("cifar10", path)

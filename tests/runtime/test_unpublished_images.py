"""Images that are not as they were published are named with a remedy before a run begins."""

import tarfile

import pytest

from archspec_runtime.data.cifar import LAYOUTS
from runs import CPU, said, tree

torch = pytest.importorskip("torch")


def half(folder):
    (folder / "cifar-10-batches-bin").mkdir()
    (folder / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(bytes(30_730_000))


def truncated(folder):
    (folder / "cifar-10-batches-py").mkdir()
    (folder / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x02}q\x00U\x0bbatch")


def of_hundred_classes(folder):
    (folder / "cifar-10-batches-bin").mkdir()
    (folder / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(bytes([99]) * 30_730_000)


def broken_archive(folder):
    (folder / "cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b\x08\x00 and then nothing")


def empty_archive(folder):
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz"):
        pass


CIFAR = {
    "nothing": (lambda folder: None, "holds no files of cifar10", "https://"),
    "half unpacked": (half, "data_batch_2.bin: No such file", "unpack the official archive again"),
    "truncated": (truncated, "data_batch_1 is not an official CIFAR pickle", "unpack the official archive again"),
    "another data set": (of_hundred_classes, "the label of record 0 is 99", "another data set"),
    "broken archive": (broken_archive, "cifar-10-binary.tar.gz is damaged", "download it again"),
    "empty archive": (empty_archive, "has no data_batch_1.bin", "download it again"),
}  # fmt: skip


@pytest.mark.parametrize("name", CIFAR)
def test_images_that_are_not_as_published_are_named_with_a_remedy(cli, name, tmp_path):
    make, says, remedy = CIFAR[name]
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    before = tree(tmp_path / "data")
    given = ("cifar_resnet:resnet20", "--data", "data", "--out", tmp_path / "run", "--steps", 1)
    error = said(cli("train", *given, *CPU), 1)
    assert says in error
    assert remedy in error.splitlines()[-1]
    assert tree(tmp_path / "data") == before
    assert not (tmp_path / "run" / "run.json").exists()


def test_every_file_of_cifar_is_known_by_name_and_size():
    for forms in LAYOUTS.values():
        for layout in forms.values():
            assert sum(count for _, count in layout.train) == 50_000
            assert sum(count for _, count in layout.test) == 10_000

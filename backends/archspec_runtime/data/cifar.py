"""CIFAR-10 and CIFAR-100 in the forms they are published in: python, binary, and either as a tar.gz."""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archspec_runtime.data.splits import ArraySplit, Raw
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import entries, not_read, regular, special
from archspec_runtime.recipe.data_sets import DataSet
from archspec_runtime.recipe.images import Data

# What a pickled NumPy array of bytes refers to, by the module names of NumPy 1 and 2.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin1") if encoding == "latin1" else _refuse(),
}


def _refuse() -> bytes:
    raise pickle.UnpicklingError("an encoding that official files do not use")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(raw: bytes, name: str) -> Any:
    """The value in an official pickle. Raises DataError for one that is damaged or refers to anything else."""
    try:
        return _Reader(io.BytesIO(raw), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError,
            ImportError, MemoryError, OverflowError, SyntaxError) as error:  # fmt: skip
        raise DataError(
            f"{name} is not an official CIFAR pickle: {error}", "unpack the official archive again"
        ) from None


PIXELS = 3 * 32 * 32
SITE = "https://www.cs.toronto.edu/~kriz/"
AGAIN = "unpack the official archive again"


@dataclass(frozen=True, slots=True)
class Layout:
    """One published form: its folder, its files with their record counts, and how a record begins."""

    folder: str
    archive: str
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    label: str  # the key in a pickle
    label_bytes: int  # before the pixels of a binary record; the last of them is the label


PYTHON, BINARY = "python", "binary"
LAYOUTS: dict[str, dict[str, Layout]] = {
    "cifar10": {
        PYTHON: Layout(
            "cifar-10-batches-py", "cifar-10-python.tar.gz",
            tuple((f"data_batch_{i}", 10_000) for i in range(1, 6)), (("test_batch", 10_000),), "labels", 1,
        ),
        BINARY: Layout(
            "cifar-10-batches-bin", "cifar-10-binary.tar.gz",
            tuple((f"data_batch_{i}.bin", 10_000) for i in range(1, 6)), (("test_batch.bin", 10_000),), "", 1,
        ),
    },
    "cifar100": {
        PYTHON: Layout("cifar-100-python", "cifar-100-python.tar.gz",
                       (("train", 50_000),), (("test", 10_000),), "fine_labels", 2),
        BINARY: Layout("cifar-100-binary", "cifar-100-binary.tar.gz",
                       (("train.bin", 50_000),), (("test.bin", 10_000),), "", 2),
    },
}  # fmt: skip
OF_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": tuple(OF_CIFAR100.split()),
}
"""The names of classes by label: those of the files `batches.meta` and `meta`."""
LARGEST = 512 << 20  # bytes of any file; the largest official one has 155 million


def read_cifar(name: str) -> Callable[[Path | None, tuple[int, int, int], int, Data], Raw]:
    """A reader of `cifar10` or `cifar100`."""

    def read(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
        form, source = find(name, folder)
        layout = LAYOUTS[name][form]
        parse = pickled if form == PYTHON else binary
        parts = {}
        for split, files in (("train", layout.train), ("test", layout.test)):
            found = [parse(source.read(f), source.name(f), count, layout, len(CLASSES[name])) for f, count in files]
            images, labels = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
            parts[split] = ArraySplit(images, labels)
        return Raw(parts["train"], parts["test"], CLASSES[name])

    return read


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def name(self, file: str) -> str:
        """What a message calls a file."""
        return str(self.path / file)

    def read(self, file: str) -> bytes:
        """The bytes of a file. Raises DataError."""
        path = self.path / file
        try:
            status = path.stat()
            if (kind := special(status.st_mode)) is not None:
                raise DataError(f"{path} is {kind}, not a file of CIFAR", f"{AGAIN}: it has this file")
            if status.st_size > LARGEST:
                raise DataError(f"{path} is far larger than the official file", AGAIN)
            return path.read_bytes()
        except OSError as error:
            help_ = not_read(error) if isinstance(error, PermissionError) else f"{AGAIN}: it has this file"
            raise DataError(f"{path}: {error.strerror}", help_) from None


class Archive:
    """A tar.gz read in memory: only regular files of the layout's names, no larger than they can be."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        wanted = {f"{layout.folder}/{f}": f for f, _ in (*layout.train, *layout.test)}
        self.files: dict[str, bytes] = {}
        again = f"download it again from {SITE}{layout.archive}"
        regular(path, "an archive of CIFAR")
        try:
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    name = wanted.get(member.name.removeprefix("./"))
                    if name is None or not member.isreg():
                        continue
                    if member.size > LARGEST:
                        raise DataError(f"{path}: {member.name} is far larger than the official file", again)
                    file = archive.extractfile(member)
                    self.files[name] = file.read() if file else b""
        except PermissionError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}", not_read(error)) from None
        except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged: {error}", again) from None

    def name(self, file: str) -> str:
        """What a message calls a file."""
        return f"{self.path}:{file}"

    def read(self, file: str) -> bytes:
        """The bytes of a file. Raises DataError."""
        if file not in self.files:
            raise DataError(f"{self.path} has no {file}", f"download it again from {SITE}")
        return self.files[file]


def find(name: str, folder: Path | None) -> tuple[str, _Folder | Archive]:
    """The form of a data set, and its files. Raises DataError."""
    url = SITE + LAYOUTS[name][PYTHON].archive
    fetch = f"`archspec data fetch {name} --out FOLDER`, and give --data FOLDER; or fetch {url}"
    if folder is None:
        raise DataError(f"{name} needs a folder of its files", fetch)
    if not folder.exists():
        raise DataError(f"{folder} does not exist", fetch)
    if folder.is_dir():
        entries(folder)  # which says if it may not be read
    else:
        regular(folder, "a folder or an archive")
        for form, layout in LAYOUTS[name].items():
            if form in folder.name:
                return form, Archive(folder, layout)
        raise DataError(f"{folder} is not an archive of {name}", fetch)
    for form, layout in LAYOUTS[name].items():
        for path in (folder / layout.folder, folder):
            if any((path / file).exists() for file, _ in (*layout.train, *layout.test)):
                return form, _Folder(path)
    for form, layout in LAYOUTS[name].items():
        if (folder / layout.archive).exists():
            return form, Archive(folder / layout.archive, layout)
    raise DataError(f"{folder} holds no files of {name}", fetch)


def pickled(raw: bytes, name: str, count: int, layout: Layout, classes: int) -> tuple[Any, Any]:
    """Images (N, 3, 32, 32) and labels (N,) of a file of the python form. Raises DataError."""
    batch = read_pickle(raw, name)
    items = batch.items() if isinstance(batch, dict) else ()
    keys = {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in items}
    images, labels = keys.get("data"), keys.get(layout.label)
    fits = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.size == count * PIXELS
    if not fits or not isinstance(images, np.ndarray) or labels is None:
        raise DataError(f"{name} does not hold {count:,} images of 3x32x32 bytes", AGAIN)
    whole = isinstance(labels, list) and all(isinstance(label, int) for label in labels)
    return images.reshape(count, 3, 32, 32), _checked(np.asarray(labels if whole else []), name, count, classes)


def binary(raw: bytes, name: str, count: int, layout: Layout, classes: int) -> tuple[Any, Any]:
    """The same of the binary form."""
    record = layout.label_bytes + PIXELS
    if len(raw) != count * record:
        message = f"{name} has {len(raw):,} bytes instead of {count * record:,}: it is cut off or another file"
        raise DataError(message, AGAIN)
    records = np.frombuffer(raw, np.uint8).reshape(count, record)
    labels = _checked(records[:, layout.label_bytes - 1], name, count, classes)
    return records[:, layout.label_bytes :].reshape(count, 3, 32, 32), labels


def _checked(labels: Any, name: str, count: int, classes: int) -> Any:
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{name} does not hold {count:,} labels", AGAIN)
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        message = f"{name}: the label of record {wrong[0]} is {labels[wrong[0]]}, and there are {classes} classes"
        raise DataError(message, f"the file is damaged, or of another data set; {AGAIN}")
    return labels.astype(np.int64)


cifar10 = DataSet("cifar10", read_cifar("cifar10"))
cifar100 = DataSet("cifar100", read_cifar("cifar100"))

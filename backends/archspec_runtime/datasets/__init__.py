"""The data sets that a recipe can name, each read into the same form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..draws import holdout_split
from ..errors import DataError
from ..recipe import Data
from .cifar import read_cifar
from .digits import read_digits
from .encoded import EncodedSplit
from .folder import read_folder
from .listing import Listing
from .parquet import read_parquet
from .shards import read_shards
from .splits import ArraySplit, Dataset, Raw, Split
from .synthetic import read_synthetic

Shape = tuple[int, int, int]

READERS: dict[str, Callable[[Path | None, Shape, int, Data], Raw]] = {
    "cifar10": read_cifar("cifar10"),
    "cifar100": read_cifar("cifar100"),
    "digits": read_digits,
    "image_folder": read_folder,
    "webdataset": read_shards,
    "parquet": read_parquet,
    "synthetic": read_synthetic,
}

EMBEDDED = ("digits", "synthetic")
"""What comes with a library, or is made here."""


def check_folder(data: Data, folder: Path | None) -> None:
    """Raise DataError where a folder is given that is not there, or for a data set that takes none."""
    if data.dataset not in READERS:
        raise DataError(f"there is no data set {data.dataset!r}", f"one of {', '.join(sorted(READERS))}")
    if folder is not None and data.dataset in EMBEDDED:
        message = f"the data set {data.dataset} takes no folder, and --data is {folder}"
        raise DataError(message, "leave --data out; images in a folder are the data set `image_folder`", 2)
    if folder is not None and not folder.exists():
        READERS[data.dataset](folder, (3, 1, 1), 1, data)  # raises: it says first what it needs there


def open_dataset(data: Data, folder: Path | None, *, input_shape: Shape, classes: int, seed: int) -> Dataset:
    """Read a data set and set its holdout aside.

    Raises DataError where files are missing or damaged, or where images (C, H, W) or classes are not the net's.
    """
    check_folder(data, folder)
    raw = READERS[data.dataset](folder, input_shape, classes, data)
    if len(raw.classes) != classes:
        raise DataError(
            f"{data.dataset} has {len(raw.classes)} classes, and the net {classes}",
            f"compile the spec with --set classes={len(raw.classes)}",
        )
    shape = raw.train.shape
    if shape is not None and shape != input_shape:
        has, takes = ("x".join(map(str, s)) for s in (shape, input_shape))
        raise DataError(
            f"{data.dataset} has images of {has}, and the net takes {takes}",
            f"compile the spec with --set input.channels={shape[0]} --set input.size={shape[1]}",
        )
    if data.holdout >= len(raw.train):
        raise DataError(
            f"a holdout of {data.holdout} leaves nothing of {len(raw.train)} training images", "hold out fewer"
        )
    kept, held = holdout_split(seed, len(raw.train), data.holdout)
    validation = raw.train.subset(held) if data.holdout else raw.validation
    train = raw.train.subset(kept) if data.holdout else raw.train
    return Dataset(train, validation, raw.test, raw.classes, raw.listings())


__all__ = [
    "EMBEDDED", "READERS", "ArraySplit", "Dataset", "EncodedSplit", "Listing", "Split", "check_folder", "open_dataset",
]  # fmt: skip

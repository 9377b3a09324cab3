"""The forms that images take, in memory or read when they are needed, and their listings: a few numbers that a record keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.draws import holdout_split
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read
from archspec_runtime.parts import extra, part
from archspec_runtime.recipe.data_sets import HOMES, DataSet
from archspec_runtime.recipe.images import Data

if TYPE_CHECKING:
    from archspec_runtime.data.sources import Names

Labels = NDArray[np.int64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Listing:
    """The names and labels of a split: how many images, how many of each class, and a SHA-256 of all in their order.

    Names are those below the folder, the tar or the Parquet file, so that a data set which is moved keeps its listing. Images
    in memory, such as CIFAR's, have no names, and are known by their order.
    """

    images: int
    of_classes: tuple[int, ...]
    sha256: str

    @staticmethod
    def of(labels: NDArray[np.int64], classes: int, names: Names | None = None) -> Listing:
        """The listing of images with these labels and names."""
        digest = hashlib.sha256(np.ascontiguousarray(labels, "<i8").tobytes())
        if names is not None:
            digest.update(np.ascontiguousarray(names.ends, "<i8").tobytes())
            digest.update(names.text)
        counts = np.bincount(labels, minlength=classes)
        return Listing(len(labels), tuple(map(int, counts)), digest.hexdigest())

    def to_dict(self) -> dict[str, Any]:
        """The listing as JSON has it."""
        return asdict(self) | {"of_classes": list(self.of_classes)}

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Listing:
        """The listing that a record holds. Raises KeyError, TypeError or ValueError for one that is none."""
        return Listing(int(raw["images"]), tuple(map(int, raw["of_classes"])), str(raw["sha256"]))


if TYPE_CHECKING:
    from archspec_runtime.data.membership import LeftOut
    from archspec_runtime.data.sources import Names

Images = NDArray[np.uint8]


class Split(Protocol):
    """Images with labels."""

    def __len__(self) -> int: ...

    @property
    def labels(self) -> Labels:
        """The class of each image (N,)."""

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of every image, None where they differ and are cropped when read."""

    def subset(self, indices: Ints) -> Split:
        """The images at these indices."""

    @property
    def names(self) -> Names | None:
        """What each image is called below the folder or in the file that it is read from; None for those in memory alone."""

    def name(self, index: int) -> str:
        """What a message calls an image."""

    def relabelled(self, labels: Labels) -> Split:
        """The same images with other labels."""

    def listing(self, classes: int) -> Listing:
        """The names and labels of all images."""


@dataclass(frozen=True, slots=True)
class ArraySplit:
    """Images (N, C, H, W) of bytes in memory, labels (N,); their names, where they had any."""

    images: Images
    labels: Labels
    names: Names | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def name(self, index: int) -> str:
        """What a message calls an image."""
        return f"image {index}" if self.names is None else self.names[index]

    def subset(self, indices: Ints) -> ArraySplit:
        """The images at these indices."""
        names = None if self.names is None else self.names.subset(indices)
        return ArraySplit(self.images[indices], self.labels[indices], names)

    def relabelled(self, labels: Labels) -> ArraySplit:
        """The same images with other labels."""
        return ArraySplit(self.images, labels, self.names)

    def listing(self, classes: int) -> Listing:
        """The names and labels of all images."""
        return Listing.of(self.labels, classes, self.names)


@dataclass(frozen=True, slots=True)
class Raw:
    """What a reader finds; `classes` are the names of its classes by label.

    `val_is_test` where the images to test on are those of val/, since there are no others: they are those to validate on as well.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    validation: Split | None = None
    left_out: LeftOut | None = None
    val_is_test: bool = False

    @staticmethod
    def of(
        train: Split, held: Mapping[str, Split], classes: tuple[str, ...], left_out: LeftOut | None = None
    ) -> Raw:
        """Of training images, and of those to measure on by what they are called: `test`, `val` or both."""
        both = len(held) == 2
        test, val = held["test" if "test" in held else "val"], held["val"] if both else None
        return Raw(train, test, classes, val, left_out, "test" not in held)

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that there are: train, test, val."""
        found = {"train": self.train, "test": self.test, "val": self.validation}
        return {name: split for name, split in found.items() if split is not None and len(split)}

    def listings(self) -> dict[str, Listing]:
        """The listing of each split."""
        return {name: split.listing(len(self.classes)) for name, split in self.splits.items()}


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names with commas between them, the first of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


@dataclass(frozen=True, slots=True)
class Dataset:
    """The splits of a run; `validation` is None without a holdout and without a split of that name.

    `classes` are the names of its classes by label, `listings` the splits as they were found, before a holdout was set aside,
    `notices` what a user should know of it, each on one or more printable lines. Where `val_is_test`, val/ alone is there to
    measure on, and what is called a test is a validation as well.
    """

    train: Split
    validation: Split | None
    test: Split
    classes: tuple[str, ...]
    listings: dict[str, Listing] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    val_is_test: bool = False

    @property
    def validates(self) -> bool:
        """Whether there is a `val_error`."""
        return self.validation is not None or self.val_is_test

    def split(self, name: str) -> Split:
        """A split by name: train, val or test. Raises DataError for val where nothing is held out for it."""
        found = {"train": self.train, "val": self.validation, "test": self.test}[name]
        if found is None:
            raise DataError(
                "this run holds no images out for validation", "take the split test, or set `data.holdout`"
            )
        if not len(found):
            raise DataError(f"this data set has no images of the split {name}", f"take the split {self._whole}")
        return found

    def lacking(self, name: str) -> list[str]:
        """The classes that a split has no images of. Raises DataError as `split` does."""
        counts = np.bincount(self.split(name).labels, minlength=len(self.classes))
        return [self.classes[label] for label in np.flatnonzero(counts == 0)]

    @property
    def _whole(self) -> str:
        return next(
            (n for n, s in (("test", self.test), ("val", self.validation)) if s is not None and len(s)), "test"
        )


Shape = tuple[int, int, int]

LEFT_OUT = "archspec_runtime.data.notices"
EMBEDDED = ("digits", "synthetic")
"""What comes with a library, or is made here."""


def data_set(data: Data) -> DataSet:
    """What reads the images of a recipe: what its `train.py` states, or one of the runtime's by its name. Raises RunError."""
    if isinstance(data.dataset, DataSet):
        return data.dataset
    if data.dataset not in HOMES:
        raise DataError(f"there is no data set {data.dataset!r}", f"one of {', '.join(HOMES)}")
    found: DataSet = getattr(
        part(f"archspec_runtime.data.{HOMES[data.dataset]}", f"the data set {data.dataset}"), data.dataset
    )
    return found


def check_folder(data: Data, folder: Path | None) -> None:
    """Raise DataError where a folder is given that is not there, or for a data set that takes none."""
    source = data_set(data)
    if folder is not None and data.dataset in EMBEDDED:
        message = f"the data set {data.dataset} takes no folder, and --data is {folder}"
        raise DataError(message, "leave --data out; images in a folder are the data set `image_folder`", 2)
    if folder is not None and not folder.exists():
        source.read(folder, (3, 1, 1), 1, data)  # raises: it says first what it needs there


def open_dataset(
    data: Data,
    folder: Path | None,
    *,
    input_shape: Shape,
    classes: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Read a data set and set its holdout aside.

    With `names`, the classes that a net was trained on by label, those of the data set are matched by name; some of them may be
    missing, and so may train/. Raises DataError where files are missing or damaged, or where images (C, H, W) or classes are
    not the net's.
    """
    try:
        check_folder(data, folder)
        source = data_set(data)
        if names is not None and source.read_named is not None:
            raw = source.read_named(folder, input_shape, classes, data, names)
        else:
            raw = source.read(folder, input_shape, classes, data)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}", not_read(error)
        ) from None
    if names is not None and raw.classes != tuple(names):
        raw = part("archspec_runtime.data.class_names", "classes in another order").renumbered(raw, names)
    _check(raw, data, input_shape, classes, named=names is not None)
    kept, held = holdout_split(seed, len(raw.train), data.holdout if len(raw.train) else 0)
    validation = raw.train.subset(held) if len(held) else raw.validation
    train = raw.train.subset(kept) if len(held) else raw.train
    left_out = extra(LEFT_OUT)
    notices = () if left_out is None else left_out.notices_of(raw, folder, trains=names is None)
    alone = raw.val_is_test and validation is None
    return Dataset(train, validation, raw.test, raw.classes, raw.listings(), notices, alone)


def _check(raw: Raw, data: Data, input_shape: Shape, classes: int, *, named: bool) -> None:
    left_out = extra(LEFT_OUT)
    if left_out is not None:
        left_out.refuse_unknown(raw, named=named)
    if len(raw.classes) != classes:
        has = "1 class" if len(raw.classes) == 1 else f"{len(raw.classes):,} classes"
        more = left_out.about_classes(raw, classes) if left_out else ""
        set_ = left_out.remedy(raw) if left_out else f"train or build the net with --set classes={len(raw.classes)}"
        raise DataError(f"{data.dataset} has {has}, and the net {classes}{more}", set_)
    shape = raw.test.shape
    if shape is not None and shape != input_shape:
        has, takes = ("x".join(map(str, s)) for s in (shape, input_shape))
        raise DataError(
            f"{data.dataset} has images of {has}, and the net takes {takes}",
            f"train or build it with --set input.channels={shape[0]} --set input.size={shape[1]}",
        )
    if len(raw.train) and data.holdout >= len(raw.train):
        raise DataError(
            f"a holdout of {data.holdout} leaves nothing of {len(raw.train)} training images", "hold out fewer"
        )

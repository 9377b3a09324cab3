"""The forms that images take: all in memory, or read when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .decoding import Pixels
from .listing import Listing
from .sources import Names

T = TypeVar("T")

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Ints = NDArray[np.int64]


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

    def readable(
        self, index: int, use: Callable[[Pixels], T], skip: bool, say: Callable[[str], None]
    ) -> tuple[int, T]:
        """What `use` makes of an image, and whose it is; in memory all can be read."""
        return index, use(Pixels(np.ascontiguousarray(self.images[index].transpose(1, 2, 0))))

    def name(self, index: int) -> str:
        """What a message calls an image."""
        return f"image {index}" if self.names is None else self.names[index]

    def subset(self, indices: Ints) -> ArraySplit:
        """The images at these indices."""
        names = None if self.names is None else self.names.subset(indices)
        return ArraySplit(self.images[indices], self.labels[indices], names)

    def listing(self, classes: int) -> Listing:
        """The names and labels of all images."""
        return Listing.of(self.labels, classes, self.names)


@dataclass(frozen=True, slots=True)
class Raw:
    """What a reader finds."""

    train: Split
    test: Split
    classes: tuple[str, ...]
    validation: Split | None = None

    def listings(self) -> dict[str, Listing]:
        """The listing of each split that there is: train, test, val."""
        splits = {"train": self.train, "test": self.test, "val": self.validation}
        return {name: split.listing(len(self.classes)) for name, split in splits.items() if split is not None}


@dataclass(frozen=True, slots=True)
class Dataset:
    """The splits of a run; `validation` is None without a holdout and without a split of that name.

    `classes` are the names of its classes by label, `listings` the splits as they were found, before a holdout was set aside.
    """

    train: Split
    validation: Split | None
    test: Split
    classes: tuple[str, ...]
    listings: dict[str, Listing] = field(default_factory=dict)

    def split(self, name: str) -> Split:
        """A split by name: train, val or test. Raises DataError for val where nothing is held out for it."""
        found = {"train": self.train, "val": self.validation, "test": self.test}[name]
        if found is None:
            raise DataError(
                "this run holds no images out for validation", "take the split test, or set `data.holdout`"
            )
        return found

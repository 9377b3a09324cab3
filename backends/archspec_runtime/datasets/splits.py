"""The forms that images take: all in memory, or read when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class ArraySplit:
    """Images (N, C, H, W) of bytes in memory, labels (N,)."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def subset(self, indices: Ints) -> ArraySplit:
        """The images at these indices."""
        return ArraySplit(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class Raw:
    """What a reader finds."""

    train: Split
    test: Split
    classes: tuple[str, ...]
    validation: Split | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """The splits of a run; `validation` is None without a holdout and without a split of that name."""

    train: Split
    validation: Split | None
    test: Split
    classes: tuple[str, ...]

    def split(self, name: str) -> Split:
        """A split by name: train, val or test; val is test where there is no other."""
        return {"train": self.train, "val": self.validation or self.test, "test": self.test}[name]

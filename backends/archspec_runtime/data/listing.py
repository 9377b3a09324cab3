"""Listings: which images a split has, with which labels, as a few numbers that a record of a run keeps."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

"""Images that are set aside to test on, and splits without any."""

from __future__ import annotations

import hashlib
import os
from typing import TypeVar

import numpy as np

from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.splits import ArraySplit
from archspec_runtime.errors import DataError

S = TypeVar("S", ArraySplit, EncodedSplit)


def nothing(shape: tuple[int, int, int]) -> ArraySplit:
    """No images."""
    return ArraySplit(np.empty((0, *shape), np.uint8), np.empty(0, np.int64))


def set_aside(split: S, share: float) -> tuple[S, S]:
    """Most images of a split, and a share of each class, one at least, chosen by the hash of their names.

    So they are the same whatever the seed, and hardly others when images are added. The only image of a class stays. Raises
    DataError where nothing can be set aside.
    """
    names = split.names
    assert names is not None
    places = [hashlib.sha256(os.fsencode(names[index])).digest() for index in range(len(split))]
    chosen = list[int]()
    for label in np.unique(split.labels):
        of_class = sorted(np.flatnonzero(split.labels == label).tolist(), key=places.__getitem__)
        chosen += of_class[: min(max(1, round(share * len(of_class))), len(of_class) - 1)]
    if not chosen:
        message = f"no class has two images, so that none can be set aside to test on: {len(split):,} are there"
        raise DataError(message, "add images, or leave out `data.test` and give images of their own")
    kept = np.ones(len(split), bool)
    kept[chosen] = False
    return split.subset(np.flatnonzero(kept)), split.subset(np.flatnonzero(~kept))

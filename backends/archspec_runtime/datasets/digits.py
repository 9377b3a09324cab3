"""The 8x8 grey digits that come with scikit-learn: nothing to download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..recipe import Data
from .splits import ArraySplit, Raw

TRAIN = 1437  # the first four fifths, in the order of the file


def read_digits(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """1,437 training and 360 test images (1, 8, 8); grey values 0..16 are spread over 0..255."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

    digits = load_digits()
    images = np.rint(digits.images[:, None] * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    return Raw(
        ArraySplit(images[:TRAIN], labels[:TRAIN]),
        ArraySplit(images[TRAIN:], labels[TRAIN:]),
        tuple("0123456789"),
    )

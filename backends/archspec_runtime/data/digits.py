"""The 8x8 grey digits that come with scikit-learn: nothing to download."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.data.splits import ArraySplit, Raw
from archspec_runtime.recipe.data_sets import DataSet
from archspec_runtime.recipe.images import Data

TRAIN = 1437  # the first four fifths, in the order of the file


def read_digits(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """1,437 training and 360 test images (1, 8, 8); grey values 0..16 are spread over 0..255."""
    table = _table()
    images = np.rint(table[:, :-1].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64)
    return Raw(
        ArraySplit(images[:TRAIN], labels[:TRAIN]),
        ArraySplit(images[TRAIN:], labels[TRAIN:]),
        tuple("0123456789"),
    )


@cache
def _read(file: Path) -> NDArray[np.float64]:
    """A table as text, which the runs of one process read once: nothing writes into it."""
    return np.loadtxt(file, delimiter=",")


def _table() -> NDArray[np.float64]:
    """A row for each image: 64 grey values and the digit. To import scikit-learn takes a second and more; its file does not."""
    found = find_spec("sklearn")
    file = Path(found.origin).with_name("datasets") / "data" / "digits.csv.gz" if found and found.origin else None
    if file is not None and file.is_file():
        return _read(file)
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

    loaded = load_digits()
    return np.column_stack([loaded.data, loaded.target])


digits = DataSet("digits", read_digits)

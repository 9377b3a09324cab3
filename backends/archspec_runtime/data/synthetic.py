"""Noise in the shape of a data set, for benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archspec_runtime.data.splits import ArraySplit, Raw
from archspec_runtime.draws import generator
from archspec_runtime.recipe.data_sets import DataSet
from archspec_runtime.recipe.images import Data

TRAIN, TEST = 2048, 512


def read_synthetic(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """Uniform noise and uniform labels, always the same, in whatever shape the net takes."""
    random = generator(0, "synthetic")
    images = random.integers(0, 256, (TRAIN + TEST, *shape), np.uint8)
    labels = random.integers(0, classes, TRAIN + TEST, np.int64)
    names = tuple(map(str, range(classes)))
    return Raw(ArraySplit(images[:TRAIN], labels[:TRAIN]), ArraySplit(images[TRAIN:], labels[TRAIN:]), names)


synthetic = DataSet("synthetic", read_synthetic)

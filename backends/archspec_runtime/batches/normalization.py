"""What is subtracted from pixels and what they are divided by; part of every checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.parts import part
from archspec_runtime.recipe.images import Normalization as Kind

Floats = NDArray[np.float32]

SCALE = np.float32(1 / 255)
# mean and deviation of RGB, as torchvision and timm have them
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHUNK = 1 << 20  # bytes of images that are summed at once, eight times as many in double precision


@dataclass(frozen=True, slots=True)
class Normalization:
    """x / 255 - mean, then divided by std; both broadcast against (C, H, W), std may be None."""

    mean: Floats
    std: Floats | None = None

    def to_arrays(self) -> dict[str, Floats]:
        """For a checkpoint."""
        return {"mean": self.mean} | ({"std": self.std} if self.std is not None else {})

    @staticmethod
    def from_arrays(arrays: Mapping[str, Floats]) -> Normalization:
        """From a checkpoint."""
        return Normalization(arrays["mean"], arrays.get("std"))

    def apply(self, images: NDArray[np.uint8]) -> Floats:
        """Bytes (N, C, H, W) as normalized floats."""
        pixels = images.astype(np.float32)
        pixels *= SCALE
        pixels -= self.mean
        if self.std is not None:
            pixels /= self.std
        return pixels


def measure(kind: Kind, train: Split, shape: tuple[int, int, int], *, skip: bool = False) -> Normalization:
    """Take the statistics over the training split: per pixel (C, H, W) or per channel (C, 1, 1), pixels in [0, 1].

    With `skip`, corrupt images are passed over.
    """
    if kind == "imagenet":
        return Normalization(*(np.array(values, np.float32)[:, None, None] for values in IMAGENET))
    if kind == "none":
        return Normalization(np.zeros((shape[0], 1, 1), np.float32))
    axes = 0 if kind == "per_pixel_mean" else (0, 2, 3)
    total = np.zeros(shape if axes == 0 else (shape[0], 1, 1), np.float64)
    squares = np.zeros_like(total)
    keep = axes != 0
    count = 0
    for images in _chunks(train, shape, skip):
        pixels = images.astype(np.float64)  # whole numbers, whose sums are exact
        total += pixels.sum(axis=axes, keepdims=keep).reshape(total.shape)
        pixels *= pixels
        squares += pixels.sum(axis=axes, keepdims=keep).reshape(total.shape)
        count += len(images) * (1 if axes == 0 else shape[1] * shape[2])
    total /= 255
    squares /= 255**2
    mean = total / count
    if kind != "per_channel":
        return Normalization(mean.astype(np.float32))
    deviation = np.sqrt(np.maximum(squares / count - mean * mean, 1e-12))
    return Normalization(mean.astype(np.float32), deviation.astype(np.float32))


def _chunks(train: Split, shape: tuple[int, int, int], skip: bool) -> Iterator[NDArray[np.uint8]]:
    """Images (N, C, H, W), no more at once than a few megabytes."""
    if isinstance(train, ArraySplit):
        size = max(1, CHUNK // math.prod(shape))
        yield from (train.images[start : start + size] for start in range(0, len(train), size))
        return
    yield from part("archspec_runtime.batches.read_ahead", "reading images one by one").sampled(train, shape, skip)

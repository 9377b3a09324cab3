"""Photos on a CPU: normalized one by one, each of which its cache holds through all steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archspec_runtime.batches.normalization import SCALE
from archspec_runtime.batches.order import Batch


@contextmanager
def one_thread() -> Iterator[None]:
    """Have what is too small to share out done by this thread, and leave the other cores to those who read images."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def in_cache(images: NDArray[np.uint8], batch: Batch, mean: Tensor, std: Tensor | None) -> Tensor:
    """Photos one by one, each of which a CPU's cache holds through all steps: the same numbers several times faster."""
    count, channels, height, width = images.shape
    pixels = torch.empty((count, channels, height, width), memory_format=torch.channels_last)

    def spread(values: Tensor) -> Tensor:
        """Over all pixels, as they lie in memory, so that subtracting is one long loop."""
        return values.expand(channels, height, width).permute(1, 2, 0).contiguous().permute(2, 0, 1)

    mean, std = spread(mean), None if std is None else spread(std)
    for index, flipped in enumerate(batch.plan.flip.tolist()):
        image = torch.from_numpy(images[index]).float().mul_(float(SCALE)).sub_(mean)
        if std is not None:
            image.div_(std)
        if batch.shift is not None:
            image += torch.from_numpy(batch.shift[index])
        pixels[index] = image.flip(2) if flipped else image
    return pixels

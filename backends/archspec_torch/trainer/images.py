"""Images on the device: normalized, and moved as the runtime's plan says, bit for bit as the runtime itself would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archspec_runtime.augment import Plan
from archspec_runtime.batches import Batch
from archspec_runtime.datasets.splits import ArraySplit, Split
from archspec_runtime.erasing import inside
from archspec_runtime.normalize import SCALE, Normalization


class Images:
    """A split on a device: all of its bytes where they are in memory."""

    def __init__(
        self, split: Split, normalization: Normalization, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.bytes = torch.from_numpy(split.images).to(device) if isinstance(split, ArraySplit) else None
        self.labels = torch.from_numpy(split.labels).to(device)
        self.mean = torch.from_numpy(normalization.mean).to(device)
        self.std = None if normalization.std is None else torch.from_numpy(normalization.std).to(device)

    def batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pixels (N, C, H, W), channels last, and labels (N,) of a training batch."""
        indices = torch.from_numpy(batch.indices).to(self.device)
        if batch.pixels is None:
            assert self.bytes is not None
            pixels = move(self._normalized(self.bytes[indices]), batch.plan)
        elif self.device.type == "cpu" and not batch.plan.padding:
            with one_thread():
                pixels = self._in_cache(batch.pixels, batch)
        else:
            pixels = self._normalized(self._put(batch.pixels))
            pixels = move(pixels if batch.shift is None else pixels + self._put(batch.shift), batch.plan)
        return erase(pixels, batch.plan).to(self.dtype, memory_format=torch.channels_last), self.labels[indices]

    def range(self, piece: slice, pixels: NDArray[np.float32] | None) -> tuple[Tensor, Tensor]:
        """Pixels and labels of consecutive samples, as they are."""
        if pixels is not None:
            images = torch.from_numpy(pixels).to(self.device)
        else:
            assert self.bytes is not None
            images = self._normalized(self.bytes[piece])
        return images.to(self.dtype, memory_format=torch.channels_last), self.labels[piece]

    def _in_cache(self, images: NDArray[np.uint8], batch: Batch) -> Tensor:
        """Photos one by one, each of which a CPU's cache holds through all steps: the same numbers several times faster."""
        count, channels, height, width = images.shape
        pixels = torch.empty((count, channels, height, width), memory_format=torch.channels_last)

        def spread(values: Tensor) -> Tensor:
            """Over all pixels, as they lie in memory, so that subtracting is one long loop."""
            return values.expand(channels, height, width).permute(1, 2, 0).contiguous().permute(2, 0, 1)

        mean, std = spread(self.mean), None if self.std is None else spread(self.std)
        for index, flipped in enumerate(batch.plan.flip.tolist()):
            image = torch.from_numpy(images[index]).float().mul_(float(SCALE)).sub_(mean)
            if std is not None:
                image.div_(std)
            if batch.shift is not None:
                image += torch.from_numpy(batch.shift[index])
            pixels[index] = image.flip(2) if flipped else image
        return pixels

    def _put(self, array: NDArray[Any]) -> Tensor:
        """An array on the device; a GPU takes it while it still computes the steps before."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _normalized(self, images: Tensor) -> Tensor:
        pixels = images.float().mul_(float(SCALE)).sub_(self.mean)
        return pixels if self.std is None else pixels.div_(self.std)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have what is too small to share out done by this thread, and leave the other cores to those who read images."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def move(images: Tensor, plan: Plan) -> Tensor:
    """Pad, crop and mirror images (N, C, H, W)."""
    if not plan.moves:
        return images
    count, channels, height, width = images.shape
    device, pad = images.device, plan.padding
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    rows = torch.from_numpy(plan.top)[:, None] + torch.arange(height)
    columns = torch.from_numpy(plan.left)[:, None] + torch.arange(width)
    columns = torch.where(torch.from_numpy(plan.flip)[:, None], columns.flip(1), columns)
    # one gather of whole pixels: with channels innermost each index moves C numbers that lie together
    places = rows[:, :, None] * (width + 2 * pad) + columns[:, None, :]
    places += torch.arange(count)[:, None, None] * ((height + 2 * pad) * (width + 2 * pad))
    pixels = padded.permute(0, 2, 3, 1).reshape(-1, channels)
    return (
        pixels.index_select(0, places.reshape(-1).to(device))
        .view(count, height, width, channels)
        .permute(0, 3, 1, 2)
    )


def erase(images: Tensor, plan: Plan) -> Tensor:
    """Set the rectangles that are erased to zero."""
    if plan.erase is None:
        return images
    mask = torch.from_numpy(inside(plan.erase, *images.shape[2:])).to(images.device)
    return images.masked_fill(mask[:, None], 0)

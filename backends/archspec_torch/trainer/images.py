"""Images on the device: normalized, and moved as the runtime's plan says, bit for bit as the runtime itself would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archspec_runtime.batches.normalization import SCALE, Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.parts import part
from archspec_runtime.recipe.images import Padding

ALIGNED = 16  # bytes, more than any element has


def upload(arrays: Sequence[NDArray[Any]], device: torch.device) -> list[Tensor]:
    """Tensors of the same shapes and types on a device; on the CPU they share the arrays' memory.

    For other devices the arrays are laid one behind the other in one buffer, page-locked for CUDA, so that the copy is one, and
    is made while the device still computes the steps before.
    """
    if device.type == "cpu":
        return [torch.from_numpy(array) for array in arrays]
    starts, size = [], 0
    for array in arrays:
        starts.append(size)
        size += -(-array.nbytes // ALIGNED) * ALIGNED
    buffer = host_buffer(size, device)
    here = buffer.numpy()
    for array, start in zip(arrays, starts, strict=True):
        np.copyto(here[start : start + array.nbytes].view(array.dtype).reshape(array.shape), array)
    there = buffer.to(device, non_blocking=True)
    return [_part(there, array, start) for array, start in zip(arrays, starts, strict=True)]


def host_buffer(size: int, device: torch.device) -> Tensor:
    """Bytes of the host that a device is to be given: page-locked for CUDA, which copies them while the host goes on."""
    return torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")


def _part(buffer: Tensor, array: NDArray[Any], start: int) -> Tensor:
    kind = torch.from_numpy(np.empty(0, array.dtype)).dtype
    piece = buffer[start : start + math.prod(array.shape) * array.itemsize]
    return piece.view(kind).view(array.shape)


class Normalizer:
    """What makes of bytes what a net sees, on a device."""

    def __init__(self, normalization: Normalization, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        std = normalization.std
        self.mean, *rest = upload([normalization.mean, *([] if std is None else [std])], device)
        self.std = rest[0] if rest else None

    def normalized(self, images: Tensor) -> Tensor:
        """Bytes (N, C, H, W) as floats of single precision."""
        pixels = images.float().mul_(float(SCALE)).sub_(self.mean)
        return pixels if self.std is None else pixels.div_(self.std)

    def finished(self, pixels: Tensor) -> Tensor:
        """Pixels in the precision of the net, channels last."""
        return pixels.to(self.dtype, memory_format=torch.channels_last)


class Images(Normalizer):
    """A split on a device: all of its bytes where they are in memory."""

    def __init__(
        self, split: Split, normalization: Normalization, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__(normalization, device, dtype)
        self.bytes = torch.from_numpy(split.images).to(device) if isinstance(split, ArraySplit) else None
        self.labels = torch.from_numpy(split.labels).to(device)

    def batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pixels (N, C, H, W), channels last, and labels (N,) of a training batch; what is needed of it goes over in one copy."""
        plan = batch.plan
        given: dict[str, NDArray[Any]] = {"indices": batch.indices}
        if plan.moves:
            given |= {"top": plan.top, "left": plan.left, "flip": plan.flip}
        optional = {"erase": plan.erase, "pixels": batch.pixels, "shift": batch.shift}
        given |= {name: array for name, array in optional.items() if array is not None}
        there = dict(zip(given, upload([*given.values()], self.device), strict=True))
        if batch.pixels is not None and self.device.type == "cpu" and not plan.padding:
            photos = part("archspec_torch.trainer.photos", "reading images one by one")
            pixels = photos.in_cache(batch.pixels, batch, self.mean, self.std)
        else:
            assert "pixels" in there or self.bytes is not None
            bytes_ = there["pixels"] if self.bytes is None else self.bytes[there["indices"]]
            pixels = self.normalized(bytes_)
            if "shift" in there:
                pixels = pixels + there["shift"]
            if plan.moves:
                pixels = move(pixels, plan.padding, there["top"], there["left"], there["flip"], plan.mode)
        if "erase" in there:
            pixels = erase(pixels, there["erase"])
        return self.finished(pixels), self.labels[there["indices"]]


def move(images: Tensor, padding: int, top: Tensor, left: Tensor, flip: Tensor, mode: Padding = "zeros") -> Tensor:
    """Pad images (N, C, H, W), crop them from rows `top` and columns `left` (N,), and mirror those that `flip` (N,) says."""
    count, channels, height, width = images.shape
    if not padding:
        return torch.where(flip[:, None, None, None], images.flip(3), images)
    device = images.device
    sides = (padding, padding, padding, padding)
    padded = torch.nn.functional.pad(images, sides, "reflect" if mode == "reflect" else "constant")
    rows = top[:, None] + torch.arange(height, device=device)
    columns = left[:, None] + torch.arange(width, device=device)
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    # one gather of whole pixels: with channels innermost each index moves C numbers that lie together
    places = rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]
    image = (height + 2 * padding) * (width + 2 * padding)
    places += torch.arange(0, count * image, image, device=device)[:, None, None]
    pixels = padded.permute(0, 2, 3, 1).reshape(-1, channels)
    return pixels.index_select(0, places.reshape(-1)).view(count, height, width, channels).permute(0, 3, 1, 2)


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Set rectangles (N, 4), given as top, left, height and width, of images (N, C, H, W) to zero."""
    top, left, tall, wide = (boxes[:, i, None] for i in range(4))
    rows, columns = (torch.arange(size, device=images.device)[None] for size in images.shape[2:])
    down, across = (rows >= top) & (rows < top + tall), (columns >= left) & (columns < left + wide)
    return images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0)

"""Arrays of the host on a device, all in one copy that the host does not wait for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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

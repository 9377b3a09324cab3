"""Batches in memory that several processes share."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LENT = 2  # slots with whoever takes the batches: the batch of a step, and the one before, which it lets go of later

# name, type and shape of an entry for each image; the last axes of pixels are (H, W, C)
Field = tuple[str, type[np.generic], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Layout:
    """So many slots, each a batch of so many images of a shape (C, H, W), and a place for each worker to say what it does."""

    slots: int
    count: int
    shape: tuple[int, int, int]
    workers: int

    def fields(self) -> list[Field]:
        """What is shared; the index, the position and the image that was used of each place in a batch, pixels, shifts."""
        channels, height, width = self.shape
        places = (self.slots, self.count)
        return [
            ("doing", np.int64, (self.workers,)),
            ("index", np.int64, places),
            ("position", np.int64, places),
            ("used", np.int64, places),
            ("shift", np.float32, (*places, channels)),
            ("pixels", np.uint8, (*places, height, width, channels)),
        ]

    def size(self) -> int:
        """Bytes."""
        return sum(_size(kind, shape) for _, kind, shape in self.fields())

    def arrays(self, descriptor: int) -> dict[str, np.ndarray[Any, Any]]:
        """The memory behind a descriptor as arrays by name."""
        memory = mmap.mmap(descriptor, self.size())
        found, start = {}, 0
        for name, kind, shape in self.fields():
            count = int(np.prod(shape, dtype=np.int64))
            found[name] = np.frombuffer(memory, kind, count, start).reshape(shape)
            start += _size(kind, shape)
        return found


class Slots:
    """Which slots are free.

    What is in a slot is lent, not copied; the slot is free again when nobody has the array, or any view of it, any more.
    """

    def __init__(self, count: int) -> None:
        self.free = list(range(count))
        self.lent: dict[int, weakref.ref[NDArray[np.uint8]]] = {}

    def take(self) -> int:
        """A slot to be filled."""
        return self.free.pop(0)

    def lend(self, slot: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What is in a slot; a copy for somebody who has kept `LENT` arrays already."""
        if len(self.lent) >= LENT:
            self.free.append(slot)
            return pixels.copy()

        def back(_: object) -> None:
            self.free.append(slot)  # first, as this may be in another thread: there always is a free slot
            del self.lent[slot]

        array = np.asarray(pixels.data)  # which NumPy takes for the owner, that all views of it keep alive
        self.lent[slot] = weakref.ref(array, back)
        return array


def _size(kind: type[np.generic], shape: tuple[int, ...]) -> int:
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    return -(-size // 64) * 64  # each array begins on a cache line


def allocate(size: int) -> int:
    """A descriptor of so much memory, which goes when the last process that has it ends. Raises OSError.

    Where the system can, it has no name and is no part of /dev/shm, which is small in containers.
    """
    if hasattr(os, "memfd_create"):
        descriptor: int = os.memfd_create("archspec-batches")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor

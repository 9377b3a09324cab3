"""Which samples each step sees, and the pixels of those that are read from files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .augment import Plan, centre, epoch_plan, transform
from .datasets.folder import FolderSplit, to_array
from .datasets.splits import ArraySplit, Split
from .draws import epoch_order, generator
from .errors import DataError
from .normalize import Normalization
from .recipe import Data

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
AHEAD = 3  # batches that are being read while one is trained on


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's samples: their indices in the split, labels (N,), and what augmentation does to them.

    `pixels` (N, C, H, W) are there, normalized and augmented, where images are read from files.
    """

    indices: Ints
    labels: Ints
    plan: Plan
    pixels: Floats | None = None


class Batches:
    """The batches of a run by step; the last, smaller batch of an epoch is left out.

    A batch depends on (seed, epoch, position) alone, so any step can be asked for.
    """

    def __init__(
        self, split: Split, data: Data, batch_size: int, seed: int, shape: tuple[int, int, int],
        normalization: Normalization, workers: int = 2,
    ) -> None:  # fmt: skip
        if len(split) < batch_size:
            raise DataError(
                f"{len(split)} training images do not fill a batch of {batch_size}", "make batch_size smaller"
            )
        self.split = split
        self.data = data
        self.size = batch_size
        self.seed = seed
        self.shape = shape
        self.normalization = normalization
        self.workers = workers
        self.per_epoch = len(split) // batch_size
        self._epoch = -1
        self._order: Ints = np.empty(0, np.int64)
        self._plan: Plan | None = None

    def at(self, step: int) -> Batch:
        """The samples of a step counted from 0, without pixels."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch or self._plan is None:
            self._order = epoch_order(self.seed, epoch, len(self.split))
            self._plan = epoch_plan(self.data.augment, self.seed, epoch, len(self.split))
            self._epoch = epoch
        positions = slice(index * self.size, (index + 1) * self.size)
        indices = self._order[positions]
        return Batch(indices, self.split.labels[indices], self._plan.at(positions))

    def run(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of steps start to stop; those of files are read ahead by threads."""
        if isinstance(self.split, ArraySplit):
            yield from map(self.at, range(start, stop))
            return
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque[tuple[Batch, list[Future[Floats]]]] = deque()
            try:
                for step in range(start, stop):
                    waiting.append(self._ask(pool, step))
                    if len(waiting) > AHEAD:
                        yield self._collect(*waiting.popleft())
                while waiting:
                    yield self._collect(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, pool: ThreadPoolExecutor, step: int) -> tuple[Batch, list[Future[Floats]]]:
        batch = self.at(step)
        epoch, index = divmod(step, self.per_epoch)
        positions = range(index * self.size, (index + 1) * self.size)
        return batch, [
            pool.submit(self._read, int(i), epoch, position)
            for i, position in zip(batch.indices, positions, strict=True)
        ]

    def _read(self, index: int, epoch: int, position: int) -> Floats:
        assert isinstance(self.split, FolderSplit)
        random = generator(self.seed, f"image {position}", epoch)
        image, shift = transform(self.split.image(index), self.data.augment, self.shape, random)
        pixels: Floats = self.normalization.apply(to_array(image)[None])[0]
        if shift is not None and self.shape[0] == 3:
            pixels += shift
        return pixels

    def _collect(self, batch: Batch, reads: list[Future[Floats]]) -> Batch:
        pixels = batch.plan.apply(np.stack([read.result() for read in reads]))
        return Batch(batch.indices, batch.labels, batch.plan, pixels)


def evaluation_batches(
    split: Split,
    size: int,
    normalization: Normalization,
    shape: tuple[int, int, int],
    resize: int | None,
    workers: int = 2,
) -> Iterator[tuple[slice, Floats | None]]:
    """Every sample once, in order: the slice of each batch, and its pixels where they are read from files."""
    slices = [slice(start, min(start + size, len(split))) for start in range(0, len(split), size)]
    if isinstance(split, ArraySplit):
        yield from ((s, None) for s in slices)
        return
    assert isinstance(split, FolderSplit)
    with ThreadPoolExecutor(workers) as pool:
        for piece in slices:
            images = pool.map(
                lambda i: to_array(centre(split.image(i), shape, resize)), range(piece.start, piece.stop)
            )
            yield piece, normalization.apply(np.stack(list(images)))

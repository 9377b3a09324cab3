"""Which samples each step sees, and the pixels of those that are read from files."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.augment.plan import Plan, epoch_plan, is_single
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.draws import epoch_order, repeated
from archspec_runtime.errors import DataError
from archspec_runtime.job.job import EVALUATED_ROOM
from archspec_runtime.parts import extra, part
from archspec_runtime.processes.platforms import WINDOWS, cores
from archspec_runtime.processes.signals import Breaks
from archspec_runtime.processes.world import ALONE, World
from archspec_runtime.recipe.images import Data
from archspec_runtime.recipe.recipe import Recipe
from archspec_runtime.schedule.phases import size_at, steps_until

if TYPE_CHECKING:
    from archspec_runtime.augment.mixing import Mixed

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
MOST_MEASURED = 500  # images at once
STARTED_ON = 5_000  # images that weights start from, where they do: the number of Jordan (2024)
MOST_WORKERS = 8  # unless more are asked for


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's samples: their indices in the split, labels (N,), what augmentation does to them, and how they are mixed.

    Where images are read from files or changed one by one, `pixels` are their bytes (N, C, H, W), cut to size, and `shift`
    (N, C, 1, 1) is what is added to them between normalization and the plan.
    """

    indices: Ints
    labels: Ints
    plan: Plan
    pixels: Bytes | None = None
    shift: Floats | None = None
    mixed: Mixed | None = None

    def floats(self, normalization: Normalization, images: Bytes | None = None) -> Floats:
        """What the net sees (N, C, H, W) unless images are mixed; `images` are a split's bytes in memory.

        The reference for what devices compute.
        """
        bytes_ = self.pixels if self.pixels is not None else images[self.indices]  # type: ignore[index]
        pixels = normalization.apply(bytes_)
        return self.plan.apply(pixels if self.shift is None else pixels + self.shift)


def check_filled(images: int, batch_size: int) -> None:
    """Raise DataError where so many training images do not fill a batch."""
    if images < batch_size:
        raise DataError(
            f"{images} training images do not fill a batch of {batch_size}",
            f"make it smaller: --set train.batch_size={max(1, images)}",
        )


class Batches:
    """This process's share of the batches of a run, by step; the last, smaller batch of an epoch is left out.

    `size` is that of the whole batch. A batch depends on (seed, epoch, position) alone, so any step can be asked for. Images
    that are read from files are read ahead by `workers` processes (by default one a core, at most eight), or with 0 by this
    one when they are needed. Raises RunError where the processes of a world cannot share a batch equally.
    """

    def __init__(
        self, split: Split, data: Data, batch_size: int, seed: int, shape: tuple[int, int, int],
        normalization: Normalization, workers: int | None = None, world: World = ALONE,
    ) -> None:  # fmt: skip
        check_filled(len(split), batch_size)
        self.split = split
        self.data = data
        self.size = batch_size
        self.share = world.share(batch_size)
        self.seed = seed
        self.shape = shape
        self.normalization = normalization
        self.workers = min(share_of_cores(world), MOST_WORKERS) if workers is None else workers
        if WINDOWS:  # whose processes inherit no descriptors: images are read by this one
            self.workers = 0
        self.per_epoch = len(split) // batch_size
        self._epoch = -1
        self._order: Ints = np.empty(0, np.int64)
        self._plan: Plan | None = None

    def at(self, step: int) -> Batch:
        """This process's samples of a step counted from 0, without pixels."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch or self._plan is None:
            self._order = epoch_order(self.seed, epoch, len(self.split))
            self._plan = epoch_plan(self.data.augment, self.seed, epoch, len(self.split), self._order)
            self._epoch = epoch
        places, positions = self._positions(index), self.places(index)
        indices = repeated(self._order, positions, self.data.repeats)
        size = self.shape_at(step)[1:]
        erase = None
        if any(step.kind == "random_erasing" for step in self.data.augment):
            erasing = part("archspec_runtime.augment.erasing", "RandomErasing")
            erase = erasing.erased_boxes(self.data.augment, self.seed, epoch, positions, size)
        mix = self.data.mix
        if mix is not None and mix.until is not None and step >= steps_until(mix.until, self.per_epoch):
            mix = None
        mixed = None
        if mix is not None:
            mixing = part("archspec_runtime.augment.mixing", "mixing images")
            mixed = mixing.draw_mix(mix, self.seed, epoch, index, size)
        return Batch(indices, self.split.labels[indices], self._plan.at(places, erase), mixed=mixed)

    def shape_at(self, step: int) -> tuple[int, int, int]:
        """(C, H, W) of the training images of a step."""
        pixels = size_at(self.data.size, step, self.per_epoch)
        return self.shape if pixels is None else (self.shape[0], pixels, pixels)

    def _positions(self, index: int) -> slice:
        start = index * self.size
        return slice(start + self.share.start, start + self.share.stop)

    def run(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of steps start to stop; those of files are read ahead."""
        if isinstance(self.split, ArraySplit) and not is_single(self.data.augment):
            yield from map(self.at, range(start, stop))
            return
        read = part("archspec_runtime.batches.read_ahead", "reading images one by one")
        while start < stop:
            shape = self.shape_at(start)
            end = next((step for step in range(start, stop) if self.shape_at(step) != shape), stop)
            yield from read.batches_of_shape(self, shape, start, end)
            start = end

    def places(self, index: int) -> range:
        """The positions in its epoch of this process's samples of a batch."""
        positions = self._positions(index)
        return range(positions.start, positions.stop)


def share_of_cores(world: World) -> int:
    """How many cores each of the processes of this machine may read images with."""
    return max(1, cores() // world.local_size)


@dataclass
class Fitting:
    """What fits on a device, for all evaluations of a run.

    `each` are the images that are measured at once: fewer where memory ran out. `kept` is what lies there from one evaluation to
    the next: images that are in memory anyway, so that they go over once.
    """

    each: int | None = None
    room: int = 0  # bytes that may still be kept
    kept: dict[Hashable, Any] = field(default_factory=dict)

    @staticmethod
    def of_run() -> Fitting:
        """With room for the splits of small data sets."""
        return Fitting(room=EVALUATED_ROOM)

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Let something of so many bytes lie where it is, if there is room."""
        if size <= self.room:
            self.kept[key] = value
            self.room -= size

    def forget(self) -> None:
        """Keep nothing any more, as memory is needed."""
        self.kept.clear()
        self.room = 0


def evaluation_size(recipe: Recipe, samples: int, devices: int = 1) -> int:
    """How many of so many samples a device measures at once: no more than it trains on at once, so that memory suffices."""
    return max(1, min(MOST_MEASURED, recipe.batch_size // recipe.accumulate // devices, -(-samples // devices)))


def first_images(split: Split, shape: tuple[int, int, int], data: Data) -> Bytes:
    """The first images (N, C, H, W) of a split, as an evaluation has them: at most STARTED_ON."""
    piece, pixels = next(evaluation_batches(split, min(STARTED_ON, len(split)), shape, data))
    if isinstance(split, ArraySplit):
        return split.images[piece]
    assert pixels is not None, "images are read where they are not in memory"
    return pixels


def _paced(images: int, world: World) -> Callable[[int], None]:
    """Says now and then how far a long evaluation is, where that is done at all."""
    pace = extra("archspec_runtime.batches.evaluation_progress")
    come_to: Callable[[int], None] = (
        (lambda done: None) if pace is None else pace.Pace(images, silent=not world.leads).come_to
    )
    return come_to


def evaluation_batches(
    split: Split,
    size: int,
    shape: tuple[int, int, int],
    data: Data,
    workers: int | None = None,
    world: World = ALONE,
) -> Iterator[tuple[slice, Bytes | None]]:
    """Every sample once, in order: the slice of each batch, and its bytes (N, C, H, W) where they are read from files.

    The processes of a world see as many batches each, which together are all samples; some may be empty.
    Images are decoded at full size and resized as the recipe's `data` says of evaluation. A corrupt one always stops: an error
    over fewer images is another number. Raises Asked between batches where a run that evaluates was asked to end.
    """
    breaks = Breaks(world.highest)
    whole = size * world.size
    come_to = _paced(len(split), world)
    slices = [world.piece(start, min(start + whole, len(split))) for start in range(0, len(split), whole)]
    if isinstance(split, ArraySplit):
        for piece in slices:
            breaks.take()
            yield piece, None
            come_to(piece.stop)
        return
    read = part("archspec_runtime.batches.read_ahead", "reading images one by one")
    with closing(
        read.evaluation_images(split, slices, shape, data, workers or share_of_cores(world), breaks)
    ) as images:
        for piece, pixels in images:
            yield piece, pixels
            come_to(piece.stop)

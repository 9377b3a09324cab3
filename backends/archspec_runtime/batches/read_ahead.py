"""Images that are read from files or changed one by one: by workers ahead of their step, or here when they are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from archspec_runtime.batches.order import Batch, Batches, Floats, Ints
from archspec_runtime.batches.reading import Reader
from archspec_runtime.batches.slots import LENT, Layout
from archspec_runtime.batches.timeouts import Readers, patiently
from archspec_runtime.batches.workers import Workers
from archspec_runtime.data.encoded import EncodedSplit, Skipped
from archspec_runtime.data.splits import ArraySplit
from archspec_runtime.images.decoding import Bytes
from archspec_runtime.images.pillow import centre, to_array
from archspec_runtime.processes.platforms import cores
from archspec_runtime.processes.signals import Breaks
from archspec_runtime.recipe.augmentations import PcaLighting
from archspec_runtime.recipe.images import Data

AHEAD = 3  # batches that are being read while one is trained on
SAMPLE = 2_000  # images that statistics are taken over


def batches_of_shape(batches: Batches, shape: tuple[int, int, int], start: int, stop: int) -> Iterator[Batch]:
    """The batches of steps whose images have one shape."""
    assert isinstance(batches.split, (ArraySplit, EncodedSplit))
    reader = Reader(batches.split, batches.data, shape, batches.seed)
    layout = Layout(AHEAD + 1 + LENT, len(batches.places(0)), shape, max(1, batches.workers))
    ahead = batches.workers and isinstance(batches.split, EncodedSplit)
    return _ahead(batches, reader, layout, start, stop) if ahead else _here(batches, reader, layout, start, stop)


def _ahead(batches: Batches, reader: Reader, layout: Layout, start: int, stop: int) -> Iterator[Batch]:
    pool = Workers(reader, layout)
    waiting: deque[tuple[int, Batch]] = deque()
    try:
        for step in range(start, stop + AHEAD):
            if step < stop:
                waiting.append((slot := pool.slots.take(), batch := batches.at(step)))
                positions = batches.places(step % batches.per_epoch)
                pool.arrays["index"][slot], pool.arrays["position"][slot] = batch.indices, positions
                pool.ask(slot, step // batches.per_epoch)
            if step >= start + AHEAD:
                slot, batch = waiting.popleft()
                pool.complete(slot)
                used, shift = (pool.arrays[name][slot].copy() for name in ("used", "shift"))
                yield _filled(batches, batch, used, pool.slots.lend(slot, pool.arrays["pixels"][slot]), shift)
    finally:
        pool.close()


def _here(batches: Batches, reader: Reader, layout: Layout, start: int, stop: int) -> Iterator[Batch]:
    skipped = Skipped()
    channels, height, width = reader.shape
    index = 0

    def read(step: int) -> Batch:
        nonlocal index
        batch, used = batches.at(step), np.empty(layout.count, np.int64)
        pixels = np.empty((layout.count, height, width, channels), np.uint8)
        shift = np.empty((layout.count, channels), np.float32)
        epoch, positions = step // batches.per_epoch, batches.places(step % batches.per_epoch)
        for row, (index, position) in enumerate(zip(batch.indices.tolist(), positions, strict=True)):
            used[row], said = reader.read(index, epoch, position, pixels[row], shift[row])
            for message in said:
                skipped.append(message)
        return _filled(batches, batch, used, pixels, shift)

    thread: Readers[Batch] = Readers(1)
    try:
        for step in range(start, stop):
            yield patiently(thread.submit(partial(read, step)), lambda: reader.split.name(index))
    finally:
        thread.close()


def _filled(batches: Batches, batch: Batch, used: Ints, pixels: Bytes, shift: Floats) -> Batch:
    coloured = batches.shape[0] == 3 and any(isinstance(a, PcaLighting) for a in batches.data.augment)
    shifts = shift[:, :, None, None] if coloured else None
    if shifts is not None and batches.normalization.std is not None:
        shifts = shifts / batches.normalization.std
    return replace(
        batch, indices=used, labels=batches.split.labels[used], pixels=pixels.transpose(0, 3, 1, 2), shift=shifts
    )


def evaluation_images(
    split: EncodedSplit,
    slices: Sequence[slice],
    shape: tuple[int, int, int],
    data: Data,
    workers: int,
    breaks: Breaks,
) -> Iterator[tuple[slice, Bytes]]:
    """The bytes (N, C, H, W) of each slice, decoded by so many threads and resized as `data` says of evaluation."""

    def read(index: int) -> Bytes:
        return to_array(centre(split.image(index), shape, data))

    # threads, as decoding and resizing leave the interpreter to others; each process of a machine has its share of the cores
    pool: Readers[Bytes] = Readers(workers)
    ahead: deque[list[Future[Bytes]]] = deque()
    try:
        for number, piece in enumerate(slices):
            breaks.take()
            for later in slices[number + len(ahead) : number + 2]:
                ahead.append([pool.submit(partial(read, index)) for index in range(later.start, later.stop)])
            futures = zip(ahead.popleft(), range(piece.start, piece.stop), strict=True)
            images = np.asarray(
                [patiently(future, partial(split.name, index)) for future, index in futures], np.uint8
            )
            yield piece, images.reshape(piece.stop - piece.start, *shape)
    finally:
        pool.close()


def sampled(split: EncodedSplit, shape: tuple[int, int, int], skip: bool) -> Iterator[Bytes]:
    """Images (1, C, H, W) that stand for all of a split, for statistics of pixels; with `skip`, corrupt ones are passed over."""
    indices = np.linspace(0, len(split) - 1, min(SAMPLE, len(split))).astype(np.int64)
    say = Skipped().append

    def read(index: int) -> Bytes:
        return to_array(split.readable(index, lambda photo: centre(photo.image(), shape, Data()), skip, say)[1])

    with ThreadPoolExecutor(cores()) as pool:
        yield from (image[None] for image in pool.map(read, indices.tolist()))

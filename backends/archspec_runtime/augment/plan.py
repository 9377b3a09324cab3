"""Augmentation as a plan of numbers, drawn here, and its application to pixels, here or on a device.

Normalization comes first, so the zeros of padding are the mean image, as in the paper's recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.draws import generator
from archspec_runtime.parts import part
from archspec_runtime.recipe.images import ON_BATCHES, HFlip, PadCrop, Padding

if TYPE_CHECKING:
    from archspec_runtime.recipe.augmentations import Augmentation

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
NUMPY_MODES: dict[Padding, Literal["constant", "reflect"]] = {"zeros": "constant", "reflect": "reflect"}


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices for some samples: rows and columns that a crop starts at in the padded image, mirroring, and what is erased.

    `mode` says what images are padded with.

    `erase` (N, 4) are rectangles as top, left, height and width, empty for images left whole.
    """

    padding: int
    top: Ints
    left: Ints
    flip: NDArray[np.bool_]
    erase: Ints | None = None
    mode: Padding = "zeros"

    def at(self, positions: slice, erase: Ints | None = None) -> Plan:
        """The choices for some positions of the epoch, with what is erased of them."""
        return Plan(self.padding, self.top[positions], self.left[positions], self.flip[positions], erase, self.mode)

    @property
    def moves(self) -> bool:
        """Whether any pixel changes its place."""
        return self.padding > 0 or bool(self.flip.any())

    def apply(self, images: Floats) -> Floats:
        """Pad, crop, mirror and erase normalized images (N, C, H, W)."""
        moved = self._move(images) if self.moves else images
        if self.erase is None:
            return moved
        erasing = part("archspec_runtime.augment.erasing", "RandomErasing")
        return np.where(erasing.inside(self.erase, *moved.shape[2:])[:, None], np.float32(0), moved)

    def _move(self, images: Floats) -> Floats:
        count, channels, height, width = images.shape
        pad = self.padding
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)), NUMPY_MODES[self.mode])
        rows = self.top[:, None] + np.arange(height)
        columns = self.left[:, None] + np.arange(width)
        columns = np.where(self.flip[:, None], columns[:, ::-1], columns)
        index = np.arange(count)[:, None, None, None], np.arange(channels)[None, :, None, None]
        result: Floats = padded[(*index, rows[:, None, :, None], columns[:, None, None, :])]
        return result


def epoch_plan(
    augment: tuple[Augmentation, ...], seed: int, epoch: int, count: int, order: Ints | None = None
) -> Plan:
    """The choices for all positions of an epoch; `order` says which image is at each."""
    crops = [a for a in augment if isinstance(a, PadCrop)]
    padding, mode = sum(crop.padding for crop in crops), crops[0].mode if crops else "zeros"
    starts = generator(seed, "pad_crop", epoch).integers(0, 2 * padding + 1, (2, count))
    mirror = next((a for a in augment if isinstance(a, HFlip)), None)
    if mirror is not None and mirror.alternating:
        first = generator(seed, "hflip", 0).random(count) < 0.5  # of each image, in even epochs
        flips = first[np.arange(count) if order is None else order] ^ bool(epoch % 2)
    else:
        flips = (generator(seed, "hflip", epoch).random(count) < 0.5) & (mirror is not None)
    return Plan(padding, starts[0], starts[1], flips, mode=mode)


def is_single(augment: tuple[Augmentation, ...]) -> bool:
    """Whether anything is done to single images, before they are normalized and put into batches."""
    return not all(step.kind in ON_BATCHES for step in augment)

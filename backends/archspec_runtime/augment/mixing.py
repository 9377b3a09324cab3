"""Mixup and cutmix: how the images and labels of a batch are mixed, drawn once a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.draws import generator
from archspec_runtime.recipe.augmentations import Mix

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Each image is mixed with the one before it in the batch, the first with the last.

    Its own label weighs `share`, the other's the rest. With a `box` (top, left, height, width) the other's pixels are inside it
    and its own outside (cutmix); without, pixels are added with the weights of the labels (mixup).
    """

    share: float
    box: Box | None = None

    def apply(self, images: NDArray[np.floating]) -> NDArray[np.floating]:
        """Mixed images (N, C, H, W)."""
        others = np.roll(images, 1, axis=0)
        if self.box is None:
            own = images.dtype.type(self.share)
            added: NDArray[np.floating] = images * own + others * (1 - own)
            return added
        top, left, height, width = self.box
        result = images.copy()
        place = (..., slice(top, top + height), slice(left, left + width))
        result[place] = others[place]
        return result


def draw_mix(mix: Mix | None, seed: int, epoch: int, index: int, size: tuple[int, int]) -> Mixed | None:
    """How batch `index` of an epoch, of images of `size` (H, W), is mixed; None for not at all."""
    if mix is None:
        return None
    random = generator(seed, f"mix {index}", epoch)
    mixes, cuts = random.random(2)
    if mixes >= mix.probability:
        return None
    if mix.cutmix is not None and (mix.mixup is None or cuts < mix.switch):
        share = random.beta(mix.cutmix, mix.cutmix)
        return cut(share, random.random(), random.random(), size)
    assert mix.mixup is not None, "a recipe mixes in one way at least"
    return Mixed(random.beta(mix.mixup, mix.mixup))


def cut(share: float, down: float, across: float, size: tuple[int, int]) -> Mixed:
    """A rectangle of 1 - share of the area around a uniform centre, cut off at the borders; the share is what is left.

    torchvision's rectangle. timm's is a pixel longer where a side is odd; they differ in nothing else.
    """
    height, width = size
    side = np.sqrt(1 - share)
    tall, wide = int(side * height) // 2, int(side * width) // 2
    row, column = int(down * height), int(across * width)
    top, bottom = max(row - tall, 0), min(row + tall, height)
    left, right = max(column - wide, 0), min(column + wide, width)
    return Mixed(1 - (bottom - top) * (right - left) / (height * width), (top, left, bottom - top, right - left))

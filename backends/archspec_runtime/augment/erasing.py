"""Random erasing: which rectangle of which image is set to zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.draws import Ints, uniforms
from archspec_runtime.recipe.augmentations import Augmentation, RandomErasing

TRIES = 10  # after which an image is left whole, as in torchvision


def erased_boxes(
    augment: tuple[Augmentation, ...], seed: int, epoch: int, positions: range, size: tuple[int, int]
) -> Ints | None:
    """Rectangles (N, 4) as top, left, height and width in images of `size` (H, W), empty for images left whole.

    None where the recipe erases nothing. Of several tries with a share of the area and a ratio, the first that fits is taken.
    """
    steps = [a for a in augment if isinstance(a, RandomErasing)]
    if not steps:
        return None
    drawn = uniforms(seed, "random_erasing", epoch, positions, 1 + 4 * TRIES)
    chosen, tries = drawn[:, 0], drawn[:, 1:].reshape(-1, TRIES, 4)
    height, width = size
    step = steps[0]
    area = height * width * between(tries[..., 0], step.scale)
    ratio = np.exp(between(tries[..., 1], (np.log(step.ratio[0]), np.log(step.ratio[1]))))
    tall, wide = np.rint(np.sqrt(area * ratio)).astype(np.int64), np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (tall < height) & (wide < width)
    top = (tries[..., 2] * (height - tall + 1)).astype(np.int64)
    left = (tries[..., 3] * (width - wide + 1)).astype(np.int64)
    boxes = np.stack([top, left, tall, wide], axis=-1)
    first = boxes[np.arange(len(boxes)), fits.argmax(axis=1)]
    erased = (chosen < step.probability) & fits.any(axis=1)
    result: Ints = np.where(erased[:, None], first, 0)
    return result


def between(uniform: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.float64]:
    """Numbers from [0, 1) moved to [low, high)."""
    return bounds[0] + (bounds[1] - bounds[0]) * uniform


def inside(boxes: Ints, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels (N, H, W) lie in the rectangle of their image."""
    top, left, tall, wide = (boxes[:, i, None] for i in range(4))
    rows, columns = np.arange(height)[None], np.arange(width)[None]
    down = (rows >= top) & (rows < top + tall)
    across = (columns >= left) & (columns < left + wide)
    return down[:, :, None] & across[:, None, :]

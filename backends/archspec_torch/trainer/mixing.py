"""Mixing the images of a batch, as mixup and cutmix do."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from archspec_runtime.augment.mixing import Mixed


def one_before(values: Tensor) -> Tensor:
    """For each of a batch the one before it, for the first the last."""
    return values.roll(1, 0)


def mix_images(images: Tensor, mixed: Mixed, before: Callable[[Tensor], Tensor] = one_before) -> Tensor:
    """Images (N, C, H, W) mixed each with the one before it: weighted (mixup), or with a box of it (cutmix)."""
    others = before(images)
    if mixed.box is None:
        return images * mixed.share + others * (1 - mixed.share)
    top, left, height, width = mixed.box
    result = images.clone()
    place = (..., slice(top, top + height), slice(left, left + width))
    result[place] = others[place]
    return result

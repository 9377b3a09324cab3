"""Mixing the images of a batch, as mixup and cutmix do."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from archspec_runtime.augment import mixing


class Mixed(NamedTuple):
    """How a batch is mixed, in one form for every way, and for none: a program that mixes now and then is compiled once."""

    share: Array  # of an image's own label
    pixel: Array  # of its own pixels outside the box
    box: Array  # (4,): top, left, height and width of what the other's pixels replace

    @staticmethod
    def of(mixed: mixing.Mixed | None, dtype: np.dtype[np.floating]) -> Mixed:
        """Arrays of the host for a batch; None is left as it is."""
        label = 1.0 if mixed is None else mixed.share
        box = (0, 0, 0, 0) if mixed is None or mixed.box is None else mixed.box
        pixel = label if mixed is not None and mixed.box is None else 1.0
        return Mixed(np.asarray(label, dtype), np.asarray(pixel, dtype), np.asarray(box, np.int32))  # type: ignore[arg-type]


def mix_images(images: Array, mixed: Mixed) -> Array:
    """Images (N, H, W, C) mixed each with the one before it."""
    others = jnp.roll(images, 1, axis=0)
    top, left, height, width = mixed.box
    rows, columns = jnp.arange(images.shape[1]), jnp.arange(images.shape[2])
    down, across = (rows >= top) & (rows < top + height), (columns >= left) & (columns < left + width)
    own = mixed.pixel.astype(images.dtype)
    return jnp.where((down[:, None] & across)[..., None], others, images * own + others * (1 - own))

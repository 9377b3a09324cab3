"""Losses as the recipe means them: of logits and the targets that smoothing and mixing make of labels."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped, unused-ignore]
from jax import Array

from archspec_runtime.augment.mixing import Mixed
from archspec_runtime.recipe.recipe import BCE, Recipe


class Shares(NamedTuple):
    """How a batch is mixed, in one form for every way: a program that mixes now and then is compiled once."""

    label: Array  # of an image's own label
    pixel: Array  # of its own pixels outside the box
    box: Array  # (4,): top, left, height and width of what the other's pixels replace


def shares_of(mixed: Mixed | None, dtype: np.dtype[np.floating]) -> Shares:
    """Arrays of the host for a batch."""
    label = 1.0 if mixed is None else mixed.share
    box = (0, 0, 0, 0) if mixed is None or mixed.box is None else mixed.box
    pixel = label if mixed is not None and mixed.box is None else 1.0
    return Shares(np.asarray(label, dtype), np.asarray(pixel, dtype), np.asarray(box, np.int32))  # type: ignore[arg-type]


def mix_images(images: Array, shares: Shares) -> Array:
    """Images (N, H, W, C) mixed each with the one before it."""
    others = jnp.roll(images, 1, axis=0)
    top, left, height, width = shares.box
    rows, columns = jnp.arange(images.shape[1]), jnp.arange(images.shape[2])
    down, across = (rows >= top) & (rows < top + height), (columns >= left) & (columns < left + width)
    own = shares.pixel.astype(images.dtype)
    return jnp.where((down[:, None] & across)[..., None], others, images * own + others * (1 - own))


def targets_of(labels: Array, classes: int, recipe: Recipe, shares: Shares | None, dtype: jnp.dtype) -> Array:
    """What the loss compares logits with: shares of classes (N, classes)."""
    smoothing = recipe.label_smoothing or 0.0
    targets: Array = jax.nn.one_hot(labels, classes, dtype=dtype) * (1 - smoothing) + smoothing / classes
    if shares is not None:
        own = shares.label.astype(dtype)
        targets = targets * own + jnp.roll(targets, 1, axis=0) * (1 - own)
    if isinstance(recipe.loss, BCE) and recipe.loss.threshold is not None:
        targets = (targets > recipe.loss.threshold).astype(dtype)
    return targets


def loss_of(logits: Array, targets: Array, recipe: Recipe) -> Array:
    """The mean loss of logits (N, classes)."""
    if isinstance(recipe.loss, BCE):
        binary: Array = optax.sigmoid_binary_cross_entropy(logits, targets).mean()
        return binary
    entropy: Array = optax.softmax_cross_entropy(logits, targets).mean()
    return entropy

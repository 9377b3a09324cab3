"""Losses as the recipe means them: of logits and the targets that smoothing and mixing make of labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec_runtime.augment.mixing import Mixed
from archspec_runtime.recipe.recipe import BCE, Recipe


def one_before(values: Tensor) -> Tensor:
    """For each of a batch the one before it, for the first the last."""
    return values.roll(1, 0)


def targets_of(
    labels: Tensor, classes: int, recipe: Recipe, mixed: Mixed | None, dtype: torch.dtype,
    before: Callable[[Tensor], Tensor] = one_before,
) -> Tensor:  # fmt: skip
    """What the loss compares logits with: labels (N,) as they are where they suffice, else shares of classes (N, classes)."""
    if mixed is None and not isinstance(recipe.loss, BCE):
        return labels
    smoothing = recipe.label_smoothing
    shares = torch.full((len(labels), classes), smoothing / classes, device=labels.device, dtype=dtype)
    shares.scatter_(1, labels[:, None], 1 - smoothing + smoothing / classes)
    if mixed is not None:
        shares = shares * mixed.share + before(shares) * (1 - mixed.share)
    if isinstance(recipe.loss, BCE) and recipe.loss.threshold is not None:
        shares = (shares > recipe.loss.threshold).to(dtype)
    return shares


def loss_of(logits: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """The mean loss of logits (N, classes); labels (N,) are smoothed here, shares were before."""
    if isinstance(recipe.loss, BCE):
        return F.binary_cross_entropy_with_logits(logits, targets)
    hard = targets.ndim == 1
    return F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing if hard else 0.0)


def mix_images(images: Tensor, mixed: Mixed | None, before: Callable[[Tensor], Tensor] = one_before) -> Tensor:
    """Images (N, C, H, W) mixed each with the one before it."""
    if mixed is None:
        return images
    others = before(images)
    if mixed.box is None:
        return images * mixed.share + others * (1 - mixed.share)
    top, left, height, width = mixed.box
    result = images.clone()
    place = (..., slice(top, top + height), slice(left, left + width))
    result[place] = others[place]
    return result

"""Optimizers as the recipe means them, and the average of weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from archspec_runtime.recipe import LAMB, SGD, AdamW, Optimizer

from .lamb import Lamb
from .parallel import is_split


def make_optimizer(model: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """PyTorch's SGD or AdamW, or LAMB; PyTorch's SGD has the form that the recipe states."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    decay = recipe.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": decay if recipe.decay_norm_and_bias else 0.0},
    ]
    if isinstance(recipe, LAMB):
        groups[1]["adapt"] = recipe.always_adapt or recipe.decay_norm_and_bias
    groups = [g for g in groups if g["params"]]
    fused = all(type(p) is nn.Parameter and p.device.type in ("cpu", "cuda") for p in model.parameters())
    match recipe:
        case SGD():
            return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)
        case AdamW():
            betas = recipe.beta1, recipe.beta2
            return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=recipe.eps, fused=fused)
        case LAMB():
            return Lamb(groups, (recipe.beta1, recipe.beta2), recipe.eps)


class Average:
    """An exponential moving average of a model's parameters and running statistics; counters are copied."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, kept: float) -> None:
        """average = kept * average + (1 - kept) * model; nothing is done where all is kept."""
        if kept == 1:
            return
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        split = [is_split(other) for _, other in pairs]
        for kind in set(split):  # tensors that are split over processes are averaged apart from those that are not
            chosen = [p for p, s in zip(pairs, split, strict=True) if s == kind and p[1].is_floating_point()]
            torch._foreach_lerp_([mine for mine, _ in chosen], [other for _, other in chosen], 1 - kept)
        for mine, other in pairs:
            if not other.is_floating_point():
                mine.copy_(other)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr

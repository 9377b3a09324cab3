"""Optimizers as the recipe means them, and the average of weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from archspec_runtime.recipe.recipe import LAMB, SGD, AdamW, Optimizer

from .lamb import Lamb
from .parallel import is_split, local
from .split_optimizers import SplitAdamW, SplitSGD

Pairs = tuple[list[Tensor], list[Tensor]]
FUSED = ("cpu", "cuda")  # devices whose optimizers are one kernel, which also takes the scale off a loss in fp16


def make_optimizer(model: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """PyTorch's SGD or AdamW, or LAMB; PyTorch's SGD has the form that the recipe states.

    Momentum begins at zero, from which the first step is PyTorch's. PyTorch itself allocates it in the first step, and leaves it
    as the memory happened to be where a fused one is left out, as the first in fp16 often are.
    """
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
    fused = all(p.device.type in FUSED for p in model.parameters())
    split = any(map(is_split, model.parameters()))
    match recipe:
        case SGD():
            kind = SplitSGD if split else torch.optim.SGD
            made = kind(groups, lr=0.0, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)
            if recipe.momentum:
                for p in model.parameters():
                    made.state[p]["momentum_buffer"] = torch.zeros_like(p, requires_grad=False)
            return made
        case AdamW():
            betas = recipe.beta1, recipe.beta2
            return (SplitAdamW if split else torch.optim.AdamW)(
                groups, lr=0.0, betas=betas, eps=recipe.eps, fused=fused
            )
        case LAMB():
            return Lamb(groups, (recipe.beta1, recipe.beta2), recipe.eps)


class Average:
    """An exponential moving average of a model's parameters and running statistics; counters are copied.

    The tensors are looked up once, at the first update, when they lie where they will: on their device, split or not.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._floats: list[Pairs] = []
        self._counters: Pairs = ([], [])

    @torch.no_grad()
    def update(self, model: nn.Module, kept: float, faulty: Tensor | None = None) -> None:
        """average = kept * average + (1 - kept) * model; nothing is done where all is kept, or `faulty` is 1."""
        if kept == 1:
            return
        if not self._floats:
            self._look_up(model)
        for mine, others in self._floats:
            if faulty is None:
                torch._foreach_lerp_(mine, others, 1 - kept)
                continue
            average = [local(tensor) for tensor in mine]
            ways = torch._foreach_sub([local(tensor) for tensor in others], average)
            torch._foreach_mul_(ways, (1 - kept) * (1 - faulty))
            torch._foreach_add_(average, ways)
        if self._counters[0]:
            torch._foreach_copy_(*self._counters)

    def _look_up(self, model: nn.Module) -> None:
        own, other = ([*m.parameters(), *m.buffers()] for m in (self.model, model))
        pairs = list(zip(own, other, strict=True))
        floats = [pair for pair in pairs if pair[1].is_floating_point()]
        for kind in (
            False,
            True,
        ):  # tensors that are split over processes are averaged apart from those that are not
            if chosen := [pair for pair in floats if is_split(pair[1]) == kind]:
                self._floats.append(unzipped(chosen))
        self._counters = unzipped([pair for pair in pairs if not pair[1].is_floating_point()])


def unzipped(pairs: list[tuple[Tensor, Tensor]]) -> Pairs:
    """A list of the first and one of the second tensors."""
    return [first for first, _ in pairs], [second for _, second in pairs]


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr

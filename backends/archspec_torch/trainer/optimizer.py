"""Optimizers as the recipe means them, and the average of weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from archspec_runtime.recipe import SGD, Optimizer


def make_optimizer(model: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """PyTorch's SGD or AdamW; its SGD has the form that the recipe states."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    decay = recipe.weight_decay
    groups = [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": decay if recipe.decay_norm_and_bias else 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    fused = all(p.device.type in ("cpu", "cuda") for p in model.parameters())
    if isinstance(recipe, SGD):
        return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)
    return torch.optim.AdamW(groups, lr=0.0, betas=(recipe.beta1, recipe.beta2), eps=recipe.eps, fused=fused)


class Average:
    """An exponential moving average of a model's parameters; buffers are copied."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """average = decay * average + (1 - decay) * parameter."""
        ours = [p.detach() for p in self.model.parameters()]
        theirs = [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(ours, theirs, 1 - self.decay)
        for mine, other in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(other)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors wants them: on the CPU, in the order of their indices."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}

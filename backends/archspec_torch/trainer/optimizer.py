"""The optimizer of a run."""

from __future__ import annotations

import torch
from torch import nn

from archspec_runtime.parts import part

from .states import is_split

FUSED = ("cpu", "cuda")  # devices whose fused kernels also take the scale off a loss in fp16


def fusable(model: nn.Module) -> bool:
    """Whether the optimizer can be one kernel on the model's device: `fused=` of PyTorch's optimizers."""
    return all(p.device.type in FUSED for p in model.parameters())


def prepared(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer of a run, for parameters that may be split over processes.

    Momentum of PyTorch's SGD begins at zero, from which the first step is PyTorch's. PyTorch itself allocates it in the first
    step, and leaves it as the memory happened to be where a fused one is left out, as the first in fp16 often are.
    """
    params = [p for group in optimizer.param_groups for p in group["params"]]
    if any(map(is_split, params)):
        optimizer = part("archspec_torch.trainer.split_optimizers", "--shard").on_parts(optimizer)
    if isinstance(optimizer, torch.optim.SGD):
        for group in optimizer.param_groups:
            for p in group["params"] if group["momentum"] else ():
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p, requires_grad=False)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups: times `lr_scale`, where a group has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)

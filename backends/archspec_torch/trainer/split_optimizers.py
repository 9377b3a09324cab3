"""SGD and AdamW of parameters that lie on many processes: each process takes the step of its own part, in one kernel.

PyTorch has no fused SGD for split parameters. Its other kernels ask the host whether a scaled gradient is finite, so that each
step would wait for the device; fused ones leave the step out by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from .checkpoints import local


class SplitSGD(torch.optim.SGD):
    """PyTorch's SGD, on parts."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            params = moved(group)
            found = [self.state[p].get("momentum_buffer") for p in params]
            buffers = [None if buffer is None else local(buffer) for buffer in found]
            names = "weight_decay", "momentum", "lr", "dampening", "nesterov", "maximize", "fused"
            sgd(here(params), gradients(params), buffers, **chosen(group, names), **scaling(self))


class SplitAdamW(torch.optim.AdamW):
    """PyTorch's AdamW, on parts."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            params = moved(group)
            for p in params:
                if not self.state[p]:
                    count = torch.zeros((), device=p.device if group["fused"] else "cpu")
                    self.state[p] = {
                        "step": count,
                        "exp_avg": torch.zeros_like(p),
                        "exp_avg_sq": torch.zeros_like(p),
                    }
            states = [self.state[p] for p in params]
            means = [local(state["exp_avg"]) for state in states]
            squares = [local(state["exp_avg_sq"]) for state in states]
            counts = [state["step"] for state in states]
            names = "lr", "weight_decay", "eps", "maximize", "amsgrad", "fused"
            given = {**chosen(group, names), **scaling(self)}
            given["beta1"], given["beta2"] = group["betas"]
            adamw(here(params), gradients(params), means, squares, [], counts, **given)


def on_parts(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The same optimizer, of PyTorch's SGD and AdamW one that takes the steps of parts; others do as they do."""
    fused = optimizer.defaults.get("fused")
    if type(optimizer) is torch.optim.SGD:
        return SplitSGD(optimizer.param_groups, fused=fused)
    if type(optimizer) is torch.optim.AdamW:
        return SplitAdamW(optimizer.param_groups, fused=fused)
    return optimizer


def chosen(group: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What a group says of these."""
    return {name: group[name] for name in names}


def moved(group: dict[str, Any]) -> list[Tensor]:
    """The parameters of a group that have a gradient, and of which this process has a part."""
    return [p for p in group["params"] if p.grad is not None and local(p).numel()]


def here(params: list[Tensor]) -> list[Tensor]:
    """The parts of this process."""
    return [local(p.detach()) for p in params]


def gradients(params: list[Tensor]) -> list[Tensor]:
    """Those of the parts of this process."""
    return [local(p.grad) for p in params if p.grad is not None]


def scaling(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What a gradient is to be divided by, and 1 where the step is to be left out; `GradScaler` sets both."""
    return {name: getattr(optimizer, name, None) for name in ("grad_scale", "found_inf")}

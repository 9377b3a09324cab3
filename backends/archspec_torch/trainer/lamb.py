"""LAMB, which PyTorch has not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Lamb(torch.optim.Optimizer):
    """AdamW whose step of each tensor is scaled to the length of the tensor (You et al., 2020, algorithm 2).

    r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay w;  w = w - lr |w| / |r| r, where the ratio is 1
    if either length is 0, and in groups without `adapt`.
    """

    def __init__(self, groups: list[dict[str, Any]], betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"lr": 0.0, "betas": betas, "eps": eps, "weight_decay": 0.0, "adapt": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._step(params, group)

    def _step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for p in params:
            if not self.state[p]:
                self.state[p] |= {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            self.state[p]["step"] += 1
        count = self.state[params[0]]["step"]
        grads = [p.grad for p in params if p.grad is not None]
        means = [self.state[p]["exp_avg"] for p in params]
        squares = [self.state[p]["exp_avg_sq"] for p in params]
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
        roots = torch._foreach_div(squares, 1 - beta2**count)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, group["eps"])
        updates = torch._foreach_div(means, 1 - beta1**count)
        torch._foreach_div_(updates, roots)
        if group["weight_decay"]:
            torch._foreach_add_(updates, params, alpha=group["weight_decay"])
        if group["adapt"]:
            torch._foreach_mul_(updates, _ratios(torch._foreach_norm(params), torch._foreach_norm(updates)))
        torch._foreach_add_(params, updates, alpha=-group["lr"])


def _ratios(lengths: tuple[Tensor, ...], steps: tuple[Tensor, ...]) -> list[Tensor]:
    pairs = zip(lengths, steps, strict=True)
    return [torch.where((w > 0) & (r > 0), w / r, torch.ones_like(w)) for w, r in pairs]

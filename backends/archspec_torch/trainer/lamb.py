"""LAMB, which PyTorch has not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .checkpoints import local


class Lamb(torch.optim.Optimizer):
    """AdamW whose step of each tensor is scaled to the length of the tensor (You et al., 2020, algorithm 2).

    r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay w;  w = w - lr |w| / |r| r, where the ratio is 1
    if either length is 0, and in groups without `adapt`. Under a scaled loss it takes the scale off, and leaves out a step whose
    gradient is not finite, all on the device: `GradScaler` has nothing to wait for.
    """

    kept = frozenset({"step", "exp_avg", "exp_avg_sq"})  # of each parameter, from the first step on
    _step_supports_amp_scaling = (
        True  # `GradScaler.step` sets `grad_scale`, None where it is off already, and `found_inf`
    )

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "adapt": True}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        faulty: Tensor | None = getattr(self, "found_inf", None)  # 0 or 1
        scale: Tensor | None = getattr(self, "grad_scale", None)
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [p.grad for p in params if p.grad is not None]
            if scale is not None:
                torch._foreach_mul_([local(g) for g in grads], scale.reciprocal())
            self._begin(params, faulty)
            if faulty is None:
                self._step(params, grads, group)
                continue
            states = [self.state[p] for p in params]
            moving = [local(t) for t in (*params, *(s[name] for s in states for name in sorted(s)))]
            before = [tensor.clone() for tensor in moving]
            self._step(params, grads, group)
            for tensor, old in zip(moving, before, strict=True):
                torch.where(faulty > 0, old, tensor, out=tensor)

    def _begin(self, params: list[Tensor], faulty: Tensor | None) -> None:
        """Give each parameter its state; steps that a scaled loss may leave out are counted on the device."""
        for p in params:
            state = self.state[p]
            if not state:
                state |= {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            if faulty is not None:
                exact = torch.float32 if faulty.device.type == "mps" else torch.float64
                state["step"] = torch.as_tensor(state["step"], dtype=exact).to(faulty.device, non_blocking=True)
            else:
                state["step"] = int(state["step"])  # of a checkpoint of a scaled loss it is a tensor

    def _step(self, params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for p in params:
            self.state[p]["step"] += 1
        count = self.state[params[0]]["step"]
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

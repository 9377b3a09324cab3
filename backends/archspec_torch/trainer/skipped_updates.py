"""Updates that are left out because of a loss or a gradient: as the device finds, while the host goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from archspec_runtime.processes.world import World

from .checkpoints import local
from .evaluating import summed


def is_faulty(loss: Tensor, limit: float, gradients: Iterable[Tensor], world: World) -> Tensor:
    """1 where the mean loss of all processes is not finite or above a limit, or a gradient is not finite; else 0."""
    found = torch.zeros((), device=loss.device)
    if here := [part for part in map(local, gradients) if part.numel()]:
        torch._amp_foreach_non_finite_check_and_unscale_(here, found, torch.ones_like(found))
    total, faults = summed([loss, found], world).unbind()
    mean = total / world.size
    return (~(mean.isfinite() & (mean <= limit)) | (faults > 0)).float()


@contextmanager
def left_out(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, faulty: Tensor) -> Iterator[None]:
    """Within it a step of the optimizer changes nothing where `faulty` is 1, and an update of the scale of the loss neither."""

    def tell(optimizer: Any, *_: object) -> None:
        overflown = getattr(optimizer, "found_inf", None)
        optimizer.found_inf = faulty if overflown is None else torch.maximum(overflown, faulty)

    hook = optimizer.register_step_pre_hook(tell)
    kept: Any = scaler  # of whose state `update` changes these two
    scale: list[Tensor] = [kept._scale, kept._growth_tracker] if scaler.is_enabled() else []
    before = [value.clone() for value in scale]
    try:
        yield
    finally:
        hook.remove()
        vars(optimizer).pop("found_inf", None)
    for value, old in zip(scale, before, strict=True):
        torch.where(faulty > 0, old, value, out=value)


class Before:
    """Tensors as they are now: in one vector for each type, as a net has many that are small."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.tensors: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            self.tensors.setdefault(tensor.dtype, []).append(tensor)
        self.values = {kind: vector(found) for kind, found in self.tensors.items()}

    def restore(self, faulty: Tensor) -> None:
        """Set them to what they were where `faulty` is 1."""
        for kind, found in self.tensors.items():
            chosen = torch.where(faulty > 0, self.values[kind], vector(found))
            pieces = torch.split_with_sizes(chosen, [tensor.numel() for tensor in found])
            torch._foreach_copy_(found, [piece.view(t.shape) for piece, t in zip(pieces, found, strict=True)])


def vector(tensors: list[Tensor]) -> Tensor:
    """All their values, one after the other."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])

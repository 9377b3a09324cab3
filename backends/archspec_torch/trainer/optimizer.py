"""The optimizer of a run, and the average of weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .parallel import is_split, local
from .split_optimizers import on_parts

Pairs = tuple[list[Tensor], list[Tensor]]
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
        optimizer = on_parts(optimizer)
    if isinstance(optimizer, torch.optim.SGD):
        for group in optimizer.param_groups:
            for p in group["params"] if group["momentum"] else ():
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p, requires_grad=False)
    return optimizer


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
    """Set the learning rate of all groups: times `lr_scale`, where a group has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)

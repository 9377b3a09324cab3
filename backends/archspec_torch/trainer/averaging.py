"""The EMA weights of a run."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .checkpoints import is_split, local

Pairs = tuple[list[Tensor], list[Tensor]]


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

"""What a `train.py` states in PyTorch's words, and what it may ask of the run for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from archspec_runtime.schedule.moment import Decay

    from .skipped_updates import Before


class Run(Protocol):
    """A run, as a training step sees it."""

    model: nn.Module
    forward: Callable[[Tensor], Any]
    """The model to train with: compiled, or one that shares its gradients with other processes."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Of the loss in fp16; in other precisions it leaves everything as it is."""
    device: torch.device
    number: int
    """Steps that were taken before this one."""

    def report(
        self, loss: Tensor, logits: Tensor, labels: Tensor, losses: Mapping[str, Tensor] | None = None
    ) -> None:
        """Say what came of the step, or of a part of its batch: for progress, metrics and the policy for bad losses.

        `losses` are those of each output, where a net has several.
        """

    def one_before(self, values: Tensor) -> Tensor:
        """For each sample (N, ...) what the one before it in the batch has, for the first the last; over all processes."""

    def gradients_shared(self, *, last: bool) -> AbstractContextManager[None]:
        """Within it gradients are added up, and in the last part of a batch averaged over all processes."""

    def average_weights(self, faulty: Tensor | None = None) -> None:
        """average = d average + (1 - d) weights, where `ema_decay` says the d of this step."""

    def statistics(self) -> Before:
        """The running statistics as they are, which a step that is left out gives back."""

    def faulty(self, before: Before) -> Tensor:
        """1 at a bad loss or a non-finite gradient, where the step is left out, else 0; it is decided on the device."""

    def update(self, faulty: Tensor, clip_norm: float | None = None) -> None:
        """Have the optimizer take its step, unless it is faulty, with a gradient whose norm is at most `clip_norm`."""


class Scores(NamedTuple):
    """What came of an evaluation step: sums over its images."""

    loss: Tensor
    errors: Tensor
    """How many have their label not first."""
    top5_errors: Tensor | None = None
    """How many have it not among the first five; None for five classes or fewer."""


FUSED = ("cpu", "cuda")  # devices whose fused kernels also take the scale off a loss in fp16


def fusable(model: nn.Module) -> bool:
    """Whether the optimizer can be one kernel on the model's device: `fused=` of PyTorch's optimizers."""
    return all(p.device.type in FUSED for p in model.parameters())


EvalStep = Callable[[nn.Module, Tensor, Tensor], Scores]


def trains_all(model: nn.Module) -> None:
    """Freeze nothing."""


class Training(NamedTuple):
    """The functions that a `train.py` states.

    `make_optimizer` is given the model on its device; its parameters may lie on many. `train_step` is given the run, images
    (N, C, H, W) and labels (N,), and where the recipe mixes how this batch is mixed, or None. `eval_step` is given a model in
    evaluation, the averaged one where there is one, images and labels; None where an earlier version wrote the file. `freeze`
    takes `requires_grad` from parameters; batch norms without one that is trained do as in evaluation. `start` is given the
    first training images (N, C, H, W), normalized, and gives what weights begin with, by their names; a run that is resumed,
    or begins with --weights, has them from there. `ema_decay` says how much the EMA weights keep of themselves at a moment.
    """

    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    train_step: Callable[..., Any]
    eval_step: EvalStep | None = None
    freeze: Callable[[nn.Module], None] = trains_all
    start: Callable[[Tensor], Mapping[str, Tensor]] | None = None
    ema_decay: Decay | None = None

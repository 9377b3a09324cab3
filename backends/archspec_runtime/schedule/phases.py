"""The learning rate as a state machine: phases, each ending on the first of its conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archspec_runtime.recipe.images import Epoch, Size, Step
from archspec_runtime.recipe.recipe import Phase

if TYPE_CHECKING:
    from archspec_runtime.recipe.vocabulary import Condition

ROUNDING = 1e-6  # of epochs that are sums of parts of one
WINDOW = 100  # steps that `train_error` and `train_loss` are measured over, or an epoch where that is shorter


@dataclass(slots=True)
class Schedule:
    """Which phase a run is in. All of its state is in `state()`, so that a resumed run goes on as it was.

    `lr` gives the rate of the step to come; `after_step` and `after_evaluation` are told what happened.
    """

    phases: Sequence[Phase]
    total_steps: int
    steps_per_epoch: int
    phase: int = 0
    began: int = 0  # the step at which the phase began
    best: float = math.inf  # the lowest error of the phase, for a plateau
    since_best: float = 0  # epochs without a lower one

    def lr(self, step: int) -> float:
        """The rate of a step counted from 0."""
        phase = self.phases[self.phase]
        if phase.end is None or phase.shape is None:
            return phase.value
        ends = [self._known_end(c) for c in phase.until] or [self.total_steps]
        length = max(1, min(ends) - self.began)
        fraction = min(1.0, (step - self.began) / length)
        if phase.shape == "cosine":
            fraction = (1 - math.cos(math.pi * fraction)) / 2
        return phase.value + (phase.end - phase.value) * fraction

    def _known_end(self, condition: Condition) -> int:
        if isinstance(condition, Step):
            return condition.step
        return condition.epoch * self.steps_per_epoch if isinstance(condition, Epoch) else self.total_steps

    def after_step(self, done: int, measured: dict[str, float]) -> str | None:
        """Tell that `done` steps have been taken and what was measured; says why the phase ended, if it did."""
        for condition in self._conditions:
            if isinstance(condition, Step) and done >= condition.step:
                return self._next(done, describe(condition))
            if isinstance(condition, Epoch) and done >= condition.epoch * self.steps_per_epoch:
                return self._next(done, describe(condition))
            if condition.kind == "measured" and condition.metric in measured:
                value = measured[condition.metric]
                if value < condition.value if condition.relation == "<" else value > condition.value:
                    return self._next(done, f"{condition.metric} is {value:.2f}")
        return None

    @property
    def _conditions(self) -> Sequence[Any]:
        """What ends the phase: `Step` and `Epoch`, or of the vocabulary `Measured` and `Plateau`, by their kinds."""
        return self.phases[self.phase].until

    @property
    def plateau_of(self) -> str:
        """The error whose plateau the phase waits for: `val_error` unless it says otherwise."""
        return next((str(c.metric) for c in self._conditions if c.kind == "plateau"), "val_error")

    def after_evaluation(self, done: int, error: float, epochs: float = 1) -> str | None:
        """Tell the error that is waited for, in percent, `epochs` after the last; says why the phase ended, if it did."""
        improved = error < self.best
        self.best, self.since_best = min(self.best, error), 0 if improved else self.since_best + epochs
        for condition in self._conditions:
            if condition.kind == "plateau" and self.since_best >= condition.epochs - ROUNDING:
                return self._next(done, f"no lower error for {condition.epochs} epochs")
        return None

    def _next(self, done: int, why: str) -> str | None:
        if self.phase + 1 >= len(self.phases):
            return None
        self.phase, self.began, self.best, self.since_best = self.phase + 1, done, math.inf, 0
        return why

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        best = None if math.isinf(self.best) else self.best
        return {"phase": self.phase, "began": self.began, "best": best, "since_best": self.since_best}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.phase, self.began, since = int(state["phase"]), int(state["began"]), float(state["since_best"])
        self.since_best = int(since) if since.is_integer() else since
        self.best = math.inf if state["best"] is None else float(state["best"])
        if not 0 <= self.phase < len(self.phases):
            raise IndexError(f"there is no phase {self.phase + 1}")


def steps_until(end: Step | Epoch, steps_per_epoch: int) -> int:
    """How many steps are taken before something ends."""
    return end.epoch * steps_per_epoch if isinstance(end, Epoch) else end.step


def size_at(sizes: Sequence[Size], step: int, steps_per_epoch: int) -> int | None:
    """Pixels of a side of the training images of a step counted from 0; None for the net's own input."""
    for size in sizes:
        if size.until is None or step < steps_until(size.until, steps_per_epoch):
            return size.pixels
    return sizes[-1].pixels if sizes else None


def describe(condition: Any) -> str:
    """A condition as the spec writes it."""
    match condition:
        case Step(step):
            return f"step {step:,}"
        case Epoch(epoch):
            return f"epoch {epoch:,}"
    if condition.kind == "plateau":
        which = "validation" if condition.metric == "val_error" else "test"
        return f"no lower {which} error for {condition.epochs} epochs"
    unit = "%" if condition.metric.endswith("error") else ""
    return f"{condition.metric} {condition.relation} {condition.value:g}{unit}"

"""What a run has measured lately: since its last row of metrics, over the window that conditions look at, and on each split."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from archspec_runtime.frameworks.protocol import Evaluation, Outcome


@dataclass(slots=True)
class Totals:
    """Sums over some steps."""

    steps: int = 0
    samples: int = 0
    loss: float = 0.0  # of the means of the steps
    errors: int = 0
    losses: dict[str, float] = field(default_factory=dict)  # of each output, where a net has several

    def add(self, outcome: Outcome, samples: int) -> None:
        """Add a step of so many samples."""
        self.steps += 1
        self.samples += samples
        self.loss += outcome.loss
        self.errors += outcome.errors
        for name, loss in outcome.losses.items():
            self.losses[name] = self.losses.get(name, 0.0) + loss

    def as_list(self) -> list[Any]:
        """For a checkpoint."""
        return [self.steps, self.samples, self.loss, self.errors, *([self.losses] if self.losses else [])]

    @staticmethod
    def from_list(sums: list[Any]) -> Totals:
        """From a checkpoint."""
        steps, samples, loss, errors, *more = sums
        losses = {str(name): float(value) for name, value in dict(*more).items()}
        return Totals(int(steps), int(samples), float(loss), int(errors), losses)

    def of_outputs(self) -> dict[str, float]:
        """The mean loss of each output, as a row of metrics has it."""
        return {f"loss.{name}": loss / self.steps for name, loss in self.losses.items()}


@dataclass(slots=True)
class Tally:
    """All of it is in `state()`. The window, of `length` steps, changes in `close` alone: when a run is saved changes nothing."""

    length: int
    pending: Totals = field(default_factory=Totals)
    window: deque[Totals] = field(default_factory=deque)
    latest: dict[str, Any] = field(default_factory=dict)
    evaluated: int = 0  # the step of the last evaluation

    def close(self) -> Totals | None:
        """The sums since the last call, which the window takes in; None where no step was good."""
        sums, self.pending = self.pending, Totals()
        if not sums.steps:
            return None
        self.window.append(sums)
        while sum(w.steps for w in self.window) - self.window[0].steps >= self.length:
            self.window.popleft()
        self.latest |= {"loss": sums.loss / sums.steps, "train": 100.0 * sums.errors / sums.samples}
        return sums

    def evaluation(self, split: str, result: Evaluation, step: int) -> None:
        """Take in what was measured on a split."""
        self.latest[split] = result.top1_error
        self.evaluated = step

    def measured(self) -> dict[str, float]:
        """Training metrics over the window once it is full, and the last evaluations."""
        found = self._errors()
        steps = sum(w.steps for w in self.window)
        if steps >= self.length:
            samples = sum(w.samples for w in self.window)
            found["train_error"] = 100.0 * sum(w.errors for w in self.window) / samples
            found["train_loss"] = sum(w.loss for w in self.window) / steps
        return found

    def errors_at(self, step: int) -> dict[str, float]:
        """What was measured after this very step."""
        return self._errors() if self.evaluated == step else {}

    def _errors(self) -> dict[str, float]:
        return {f"{k}_error": v for k, v in self.latest.items() if k in ("val", "test")}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "pending": self.pending.as_list(),
            "window": [totals.as_list() for totals in self.window],
            "latest": dict(self.latest),
            "evaluated": self.evaluated,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.pending = Totals.from_list(state["pending"])
        self.window = deque(map(Totals.from_list, state["window"]))
        self.latest, self.evaluated = dict(state["latest"]), int(state.get("evaluated", 0))

"""What comes of steps, evaluations and questions to a net, and the sums of it that a run goes by."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Answer(NamedTuple):
    """What a net answers to N images; the moments are those of L layers that were asked about, for each image."""

    logits: Doubles  # (N, classes)
    means: Doubles  # (N, L): over all numbers of a layer's output
    squares: Doubles  # (N, L): the means of their squares


PIXELS = 64 * 224 * 224  # in one batch that a probe is asked about, and no more than the net is trained on at once


def softmax(logits: Doubles) -> Doubles:
    """Probabilities (N, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return result


class Outcome(NamedTuple):
    """Of one step, over all processes: the mean loss of its batch, how many samples were wrong, and whether it was taken."""

    loss: float
    errors: int
    updated: bool = True
    losses: Mapping[str, float] = MappingProxyType({})  # of each output, where a net has several


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over a split; errors in percent, `top5_error` None for five classes or fewer."""

    loss: float
    top1_error: float
    top5_error: float | None
    samples: int

    def numbers(self) -> dict[str, float]:
        """What was measured, by name."""
        five = {} if self.top5_error is None else {"top-5 error": self.top5_error}
        return {"loss": self.loss, "top-1 error": self.top1_error, **five, "images": self.samples}


def measured(split: str, numbers: Mapping[str, float]) -> str:
    """What was measured on a split, on one line: `numbers` are those of an evaluation."""
    count = int(numbers["images"])
    images = "1 image" if count == 1 else f"{count:,} images"
    shown = [
        f"{name} {value:.2f}%" if name.endswith("error") else f"{name} {value:.4f}"
        for name, value in numbers.items()
        if name != "images"
    ]
    return "  ".join([f"{split}: {images}", *shown])


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

"""What a framework does in a run: steps, sums, evaluations, and its state as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from archspec_runtime.batches.order import Batch


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


class Snapshot(Protocol):
    """All state as it was when it was taken: a copy in the host's memory, which further steps leave alone."""

    def finite(self) -> bool:
        """Whether every number of the weights is finite."""

    def files(self) -> Mapping[str, bytes]:
        """The files of a checkpoint, by name. Another thread than that of the steps may ask."""


class Stepper(Protocol):
    """A model with its optimizer, on one device or on many; all processes of a world make the same calls in one order."""

    frozen: int
    """How many learned numbers are not trained."""

    def step(self, batch: Batch, lr: float, number: int, limit: float | None = None) -> None:
        """Take one optimizer step, of which this process is given its share, without waiting for its result.

        With `limit`, unless the loss of the batch is finite and not above it, and the gradient finite: then nothing changes.
        """

    def drain(self) -> Sequence[Outcome]:
        """Wait, and give what came of each step since the last call."""

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split, every sample once."""

    def snapshot(self) -> Snapshot | None:
        """All state, copied; None where another process leads. It does not say how many processes there are."""

    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of each weight and statistic by the spec's names; one process may ask alone."""

    def start_from(self, weights: Path, fresh: Sequence[str]) -> None:
        """Begin with the weights of a file, by the spec's names, and with what was drawn below the `fresh` modules."""

    def start_from_images(self) -> Sequence[str]:
        """Begin with what `train.py` makes of the first training images; the names of these weights, if any."""

    def load(self, folder: Path) -> None:
        """Read the files of a snapshot. Raises DamagedError, of which `contents` makes one of what a reader raises."""

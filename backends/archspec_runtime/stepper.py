"""What a framework does in a run: steps, sums, evaluations, and its state as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .batches import Batch


@dataclass(slots=True)
class Totals:
    """Sums over some steps."""

    steps: int = 0
    samples: int = 0
    loss: float = 0.0  # of the means of the steps
    errors: int = 0

    def add(self, other: Totals) -> None:
        """Add the sums of more steps."""
        self.steps += other.steps
        self.samples += other.samples
        self.loss += other.loss
        self.errors += other.errors


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over a split; errors in percent, `top5_error` None for five classes or fewer."""

    loss: float
    top1_error: float
    top5_error: float | None
    samples: int

    def as_text(self) -> dict[str, str]:
        """What was measured by name, as people read it."""
        five = {} if self.top5_error is None else {"top-5 error": f"{self.top5_error:.2f}%"}
        return {
            "loss": f"{self.loss:.4f}",
            "top-1 error": f"{self.top1_error:.2f}%",
            **five,
            "images": f"{self.samples:,}",
        }


class Snapshot(Protocol):
    """All state as it was when it was taken: a copy in the host's memory, which further steps leave alone."""

    def finite(self) -> bool:
        """Whether every number of the weights is finite."""

    def files(self) -> Mapping[str, bytes]:
        """The files of a checkpoint, by name. Another thread than that of the steps may ask."""


class Stepper(Protocol):
    """A model with its optimizer, on one device or on many; all processes of a world make the same calls in one order."""

    def step(self, batch: Batch, lr: float, number: int) -> None:
        """Take one optimizer step, of which this process is given its share, without waiting for its result."""

    def drain(self) -> Totals:
        """Wait, and give the sums since the last call, over all processes."""

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split, every sample once."""

    def snapshot(self) -> Snapshot | None:
        """All state, copied; None where another process leads. It does not say how many processes there are."""

    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of each weight and statistic by the spec's names; one process may ask alone."""

    def load(self, folder: Path) -> None:
        """Read the files of a snapshot."""

"""What the trainer of a framework has to offer: steps, evaluations, its state as files, and a trained net as a function.

For type checkers: nothing that runs imports it, and no built folder carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.data.splits import Dataset
from archspec_runtime.frameworks.results import Answer, Evaluation, Floats, Outcome
from archspec_runtime.job.job import Job, Options
from archspec_runtime.processes.world import ALONE, World

Probe = Callable[[Floats], Answer]
"""Maps normalized pixels (N, C, H, W) to the answer of a net in evaluation; N, H and W may differ from call to call."""


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

    def start_from(self, weights: Path, names: Collection[str]) -> None:
        """Begin with the tensors of a file that have these names, by the spec; the others stay as they were drawn."""

    def start_from_images(self) -> Sequence[str]:
        """Begin with what `train.py` makes of the first training images; the names of these weights, if any."""

    def load(self, folder: Path) -> None:
        """Read the files of a snapshot. Raises DamagedError, of which `contents` makes one of what a reader raises."""


MakeModel = Callable[..., Any]
Write = Callable[[Path, Job], None]
"""Writes the source of a run, with the job as it runs."""
Settings = Mapping[str, Any]
"""How a framework runs a job; recorded with the run, so that a resumed one goes on as it began."""


class Framework(Protocol):
    """What the trainer of a framework brings to a run."""

    name: str
    devices: str  # what devices are called, for help
    options: Collection[str]  # of the command line that it has and others may lack
    training: Any  # the functions that a `train.py` states, `train_step` among them; None where its job says all

    def stating(self, training: Any) -> Self:
        """The framework, with what a `train.py` states."""

    def launch(self, command: Sequence[str], processes: int, restarts: int) -> int:
        """Run a command as so many processes that share a run; gives the exit code. Raises RunError."""

    def join(self, world: World, options: Options) -> World:
        """Find the other processes of a world that a launcher described. Raises PeersLost."""

    def choose_device(self, name: str, world: World = ALONE) -> str:
        """The device of this name, or for `auto` the best there is; of several of a kind, the process's own.

        Raises RunError where there is none.
        """

    def peak_memory(self, device: str) -> int | None:
        """The most bytes that this process had at once on a device; None where that is not known."""

    def use_threads(self, count: int) -> None:
        """Compute with this many CPU threads."""

    def settle(
        self, make_model: MakeModel, job: Job, options: Options, device: str, steps: int
    ) -> tuple[Settings, str]:
        """How to run so many steps, and a line that says so and why. Depends on its arguments alone, so reruns agree."""

    def stepper(
        self, make_model: MakeModel, job: Job, dataset: Dataset, normalization: Normalization, device: str,
        settings: Settings, world: World, options: Options,
    ) -> Stepper:  # fmt: skip
        """A model with its optimizer on a device, or spread over the processes of a world."""

    def evaluate(
        self, make_model: MakeModel, weights: Path, job: Job, dataset: Dataset, split: str,
        normalization: Normalization, device: str,
    ) -> Evaluation:  # fmt: skip
        """Measure weights, a safetensors file by the spec's names, on a split."""

    def probe(self, make_model: MakeModel, weights: Path, job: Job, device: str, layers: Sequence[str]) -> Probe:
        """The net with these weights as a function, which also tells of the layers of these names."""


Restate = Callable[[Job], Framework]
"""The framework with what the `train.py` of a job states."""

"""What the trainer of a framework has to offer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.data import Dataset
from archspec_runtime.frameworks.probe import Probe
from archspec_runtime.frameworks.stepper import Evaluation, Stepper
from archspec_runtime.job.job import Job, Options
from archspec_runtime.processes.world import World

ALONE = World()
EVALUATE = "eval"  # the word after `train.py` that measures a run
PREDICT = "predict"  # that has a run name the classes of pictures

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

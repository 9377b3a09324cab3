"""PyTorch as the runtime's sessions use it."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.data.splits import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Evaluation
from archspec_runtime.job.job import Job, Options
from archspec_runtime.job.out_of_memory import while_training
from archspec_runtime.parts import extra, part
from archspec_runtime.processes.world import ALONE, World
from archspec_runtime.run import session

from .checkpoints import load_model
from .device import (
    COMPILING,
    check_precision,
    choose_device,
    choose_kernels,
    out_of_memory,
    use_device,
    use_precision,
)
from .evaluating import evaluate, make_probe
from .stepper import TorchStepper
from .training import Training

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import MakeModel, Probe, Settings

MOST_THREADS = 1024
SEVERAL, LAUNCHER, PARALLEL = (
    "a run of several processes",
    "archspec_torch.trainer.world",
    "archspec_torch.trainer.parallel",
)


class Torch:
    """One device to a process, and one process or many."""

    name = "torch"
    devices = "cpu, cuda, cuda:1, mps"
    options: Collection[str] = ("compile", "shard", "deterministic")

    def __init__(self, training: Training | None = None) -> None:
        self.training = training

    def stating(self, training: Training) -> Torch:
        """The same, for what a `train.py` states."""
        return Torch(training)

    def launch(self, command: Sequence[str], processes: int, restarts: int) -> int:
        """Run a command as so many processes that share a run."""
        code: int = part(LAUNCHER, SEVERAL).launch(command, processes, restarts)
        return code

    def join(self, world: World, options: Options) -> World:
        """Find the other processes."""
        if world.size == 1 and not options.shard and options.devices == 1:
            return world
        joined: World = part(LAUNCHER, SEVERAL).join(world, options)
        return joined

    def choose_device(self, name: str, world: World = ALONE) -> str:
        """The device of this name, or for `auto` the best there is. Raises RunError where there is none."""
        device = choose_device(name, world)
        use_device(device)
        return str(device)

    def peak_memory(self, device: str) -> int | None:
        """What was allocated on a GPU, or what the process has had where it computes on the CPU."""
        on = torch.device(device)
        if on.type == "cuda":
            return torch.cuda.max_memory_allocated(on)
        if on.type != "cpu":
            return None
        found: int | None = part("archspec_runtime.run.peak_memory", "what memory a run took").taken()
        return found

    def use_threads(self, count: int) -> None:
        """Compute with this many CPU threads."""
        if (
            count > MOST_THREADS
        ):  # for each of which OpenMP takes memory at once, and ends the process where there is none
            raise RunError(
                f"{count:,} CPU threads are more than {MOST_THREADS:,}", f"--threads {os.cpu_count()}", 2
            )
        torch.set_num_threads(count)

    def settle(
        self, make_model: MakeModel, job: Job, options: Options, device: str, steps: int
    ) -> tuple[Settings, str]:
        """Whether to compile the model, and why; and whether to take deterministic kernels."""
        check_precision(torch.device(device), job.recipe.precision)
        if options.shard:
            part(PARALLEL, SEVERAL).check_shard(options, torch.device(device))
        compiled, why = False, "as asked" if options.compile == "off" else "this folder carries no compiling along"
        if options.compile not in ("auto", "off") or extra(COMPILING) is not None:
            compiled, why = part(COMPILING, "compiling").settle(make_model, options, torch.device(device), steps)
        how = f"{'compiled' if compiled else 'not compiled'} ({why})" + ", deterministic" * options.deterministic
        graphed = options.compile == "graph"
        return {"compiled": compiled, "graphed": graphed, "deterministic": options.deterministic}, how

    def stepper(
        self, make_model: MakeModel, job: Job, dataset: Dataset, normalization: Normalization, device: str,
        settings: Settings, world: World, options: Options,
    ) -> TorchStepper:  # fmt: skip
        """A model with its optimizer on a device."""
        assert self.training is not None, "a run is trained by what its train.py states"
        on = torch.device(device)
        choose_kernels(deterministic=settings["deterministic"], compiled=settings["compiled"])
        with out_of_memory(partial(while_training, job, world.size, self.name, sharded=options.shard)):
            given = make_model, self.training, job, dataset, normalization, on, settings["compiled"], world
            if world.size == 1:
                return TorchStepper(*given, graphed=settings["graphed"])
            made: TorchStepper = part(PARALLEL, SEVERAL).ParallelStepper(
                *given, sharded=options.shard, graphed=settings["graphed"]
            )
            return made

    def evaluate(
        self, make_model: MakeModel, weights: Path, job: Job, dataset: Dataset, split: str,
        normalization: Normalization, device: str,
    ) -> Evaluation:  # fmt: skip
        """Measure weights on a split."""
        model = _loaded(make_model, weights, job, device)
        eval_step = None if self.training is None else self.training.eval_step
        return evaluate(model, job, dataset, split, normalization, torch.device(device), eval_step=eval_step)

    def probe(self, make_model: MakeModel, weights: Path, job: Job, device: str, layers: Sequence[str]) -> Probe:
        """The net with these weights as a function, which also tells of the layers of these names."""
        return make_probe(_loaded(make_model, weights, job, device), job, torch.device(device), layers)


def _loaded(make_model: MakeModel, weights: Path, job: Job, device: str) -> nn.Module:
    check_precision(torch.device(device), job.recipe.precision)
    model: nn.Module = make_model()
    load_model(model, weights)
    model = model.to(use_precision(job.recipe.precision))
    placed: nn.Module = model.to(device=torch.device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def main(make_model: Any, job: Job, training: Training, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    return session.main(Torch(training), make_model, job, argv)

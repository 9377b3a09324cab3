"""Flax as the runtime's sessions use it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
from flax import nnx

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.checkpoints.saver import LOG_EVERY
from archspec_runtime.data.splits import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Evaluation
from archspec_runtime.job.job import Job, Options
from archspec_runtime.job.out_of_memory import while_training
from archspec_runtime.parts import part
from archspec_runtime.processes.world import ALONE, World
from archspec_runtime.run import session

from .checkpoints import load_model
from .device import SEVERAL, choose_device, launcher, out_of_memory, use_threads
from .drawing import drawn
from .evaluating import evaluate, make_probe
from .mesh import Devices
from .precision import evaluated, prepared, use_precision
from .programs import compiler_options, keep_programs
from .stepper import FlaxStepper
from .training import Training

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import MakeModel, Probe, Settings

ENCODED = ("image_folder", "webdataset", "parquet")  # read as they are needed, and sent to the device step by step


class Flax:
    """One process or many, and one device of each or many."""

    name = "flax"
    devices = "cpu, cuda, cuda:1, tpu"
    options: Collection[str] = ("devices", "deterministic")

    def __init__(self, training: Training | None = None) -> None:
        self.training = training

    def stating(self, training: Training) -> Flax:
        """The same, for what a `train.py` states."""
        return Flax(training)

    def launch(self, command: Sequence[str], processes: int, restarts: int) -> int:
        """Run a command as so many processes that share a run."""
        code: int = part("archspec_runtime.processes.launch", SEVERAL).launch(command, processes, restarts)
        return code

    def join(self, world: World, options: Options) -> World:
        """Find the other processes."""
        if options.shard:
            raise RunError("--shard is PyTorch's", "leave it out, or take --backend torch", 2)
        if world.size == 1:
            return world
        joined: World = launcher().join(world, options)
        return joined

    def choose_device(self, name: str, world: World = ALONE) -> str:
        """The device of this name, or for `auto` the best there is. Raises RunError where there is none."""
        device = choose_device(name)
        index = jax.local_devices(backend=device.platform).index(device)
        return f"{device.platform}:{index}" if index else device.platform

    def peak_memory(self, device: str) -> int | None:
        """What was allocated on a GPU or TPU, or what the process has had where it computes on the CPU."""
        on = choose_device(device)
        peak: int | None
        if on.platform == "cpu":
            peak = part("archspec_runtime.run.peak_memory", "what memory a run took").taken()
        else:
            peak = (on.memory_stats() or {}).get("peak_bytes_in_use")
        return peak

    def use_threads(self, count: int) -> None:
        """Compute with this many CPU threads."""
        use_threads(count)

    def settle(
        self, make_model: MakeModel, job: Job, options: Options, device: str, steps: int
    ) -> tuple[Settings, str]:
        """How many steps go in one dispatch: on the CPU a loop around convolutions costs more than a dispatch."""
        on = choose_device(device)
        _check(Devices.of(on, options.devices), job, options)
        data = job.recipe.data
        several = 1 if device == "cpu" or data.dataset in ENCODED or data.size else LOG_EVERY
        most = f"up to {several} steps" if several > 1 else "1"
        how = f"compiled, {most} to a dispatch" + ", deterministic" * options.deterministic
        settings = {"steps_a_dispatch": several, "deterministic": options.deterministic}
        return settings, f"{how}; {keep_programs(on.platform)}"

    def stepper(
        self, make_model: MakeModel, job: Job, dataset: Dataset, normalization: Normalization, device: str,
        settings: Settings, world: World, options: Options,
    ) -> FlaxStepper:  # fmt: skip
        """A model with its optimizer on the devices of all processes."""
        assert self.training is not None, "a run is trained by what its train.py states"
        on = choose_device(device)
        steps, compiled = settings["steps_a_dispatch"], compiler_options(settings["deterministic"])
        with out_of_memory(partial(while_training, job, world.size * options.devices, self.name)):
            return FlaxStepper(
                make_model, self.training, job, dataset, normalization, on, steps, world, each=options.devices,
                compiled=compiled,
            )  # fmt: skip

    def evaluate(
        self, make_model: MakeModel, weights: Path, job: Job, dataset: Dataset, split: str,
        normalization: Normalization, device: str,
    ) -> Evaluation:  # fmt: skip
        """Measure weights on a split."""
        on = choose_device(device)
        keep_programs(on.platform)
        model = _loaded(make_model, weights, job, on)
        eval_step = None if self.training is None else self.training.eval_step
        return evaluate(model, job, dataset, split, normalization, on, eval_step=eval_step)

    def probe(self, make_model: MakeModel, weights: Path, job: Job, device: str, layers: Sequence[str]) -> Probe:
        """The net with these weights as a function, which also tells of the layers of these names."""
        on = choose_device(device)
        keep_programs(on.platform)
        model = evaluated(_loaded(make_model, weights, job, on), job.recipe.precision)
        return make_probe(model, job, on, layers)


def _loaded(make_model: MakeModel, weights: Path, job: Job, device: jax.Device) -> nnx.Module:
    use_precision(job.recipe.precision)

    def make(rngs: nnx.Rngs) -> nnx.Module:
        return prepared(make_model(rngs=rngs), job.recipe.precision)

    with jax.default_device(device):
        model = drawn(make, 0, device, blank=True)
        load_model(model, weights)
    return model


def _check(devices: Devices, job: Job, options: Options) -> None:
    count, recipe = devices.mesh.size, job.recipe
    if count != jax.process_count() * options.devices:
        here = len(devices.mesh.local_devices)
        raise RunError(
            f"{options.devices} devices are asked for, and this process has {here}", f"--devices {here}", 2
        )
    World(size=count).share(recipe.batch_size)
    if count > 1 and not recipe.sync_batch_norm:
        raise RunError("with Flax, batch norm is over the whole batch on many devices",
                       "leave `sync_batch_norm: false` out, or take --backend torch")  # fmt: skip


def main(make_model: Any, job: Job, training: Training, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    return session.main(Flax(training), make_model, job, argv)

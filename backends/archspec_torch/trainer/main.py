"""From a job and its options to a finished run."""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from archspec_runtime.batches import Batches
from archspec_runtime.datasets import open_dataset
from archspec_runtime.errors import RunError
from archspec_runtime.job import Job, Options, effective, parse_options
from archspec_runtime.loop import Loop, Result
from archspec_runtime.normalize import measure
from archspec_runtime.run_folder import lock, prepare, read_run, versions, write_json
from archspec_runtime.schedule import Schedule, timeline

from .device import choose_compile, choose_device
from .stepper import TorchStepper


def main(make_model: Callable[[], nn.Module], job: Job, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    options = parse_options(job, argv)
    try:
        return train(make_model, job, options).exit_code
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def train(make_model: Callable[[], nn.Module], job: Job, options: Options) -> Result:
    """Train a job. Raises RunError for whatever a user can mend."""
    job = effective(job, options)
    recipe = job.recipe
    folder = options.out or Path("run")
    if options.dry_run:
        print(describe(job))
        return Result(folder, 0, 0, {})
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    dataset = open_dataset(
        recipe.data, options.data, input_shape=job.input_shape, classes=job.classes, seed=recipe.seed
    )
    normalization = measure(recipe.data.normalize, dataset.train, job.input_shape)
    batches = Batches(dataset.train, recipe.data, recipe.batch_size, recipe.seed, job.input_shape, normalization)
    total = recipe.steps or (recipe.epochs or 1) * batches.per_epoch
    prepare(folder, resume=options.resume, force=options.force)
    with lock(folder):
        layers = sum(isinstance(m, nn.Conv2d) for m in make_model().modules())
        compiled, why = choose_compile(job, options, device, total, layers)
        if options.resume:  # a run goes on as it began, or its numbers would differ
            compiled = read_run(folder)["compiled"]
        else:
            _record(folder, make_model, job, options, device, compiled)
        print(
            f"{job.name} on {device}: {total:,} steps, {'compiled' if compiled else 'not compiled'} ({why})",
            file=sys.stderr,
        )
        stepper = TorchStepper(make_model, job, dataset, normalization, device, compiled)
        schedule = Schedule(recipe.lr, total, batches.per_epoch)
        return Loop(job, options, folder, dataset, batches, stepper, total, schedule).run()


def describe(job: Job) -> str:
    """The resolved recipe and the timeline of the learning rate."""
    recipe = job.recipe
    lines = [f"{job.name}: {recipe.steps or f'{recipe.epochs} epochs of'} steps of {recipe.batch_size} images"]
    for name, value in asdict(recipe).items():
        if name != "lr":
            lines.append(f"  {name}: {getattr(recipe, name) if name in ('data', 'optimizer') else value}")
    return "\n".join(
        [*lines, "learning rate", *(f"  {line}" for line in timeline(recipe.lr, recipe.steps or 0, None))]
    )


def _record(
    folder: Path,
    make_model: Callable[[], nn.Module],
    job: Job,
    options: Options,
    device: torch.device,
    compiled: bool,
) -> None:
    code = folder / "code"
    source = Path(inspect.getfile(make_model))
    code.mkdir(exist_ok=True)
    if source.parent.resolve() != code.resolve():
        shutil.copyfile(source, code / "model.py")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    write_json(folder / "run.json", {
        "job": job.to_dict(),
        "class": getattr(make_model, "__name__", ""),
        "data": str(options.data) if options.data else None,
        "device": str(device),
        "compiled": compiled,
        "versions": versions(),
    })  # fmt: skip

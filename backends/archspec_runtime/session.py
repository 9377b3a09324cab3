"""From a job and its options to a finished run, with whatever framework does the arithmetic."""

from __future__ import annotations

import contextlib
import inspect
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .batches import Batches
from .datasets import Dataset, open_dataset
from .datasets.decoding import libraries
from .dry_run import describe
from .errors import RunError
from .job import Job, Options, effective, parse_options
from .loop import Evaluation, Loop, Result, Stepper
from .normalize import Normalization, measure
from .probe import Probe
from .run_folder import lock, prepare, read_run, versions, write_json
from .schedule import Schedule

MakeModel = Callable[..., Any]
Settings = Mapping[
    str, Any
]  # how a framework runs a job; recorded with the run, so that a resumed one goes on as it began


class Framework(Protocol):
    """What the trainer of a framework brings to a run."""

    name: str

    def choose_device(self, name: str) -> str:
        """The device of this name, or for `auto` the best there is. Raises RunError where there is none."""

    def use_threads(self, count: int) -> None:
        """Compute with this many CPU threads."""

    def settle(
        self, make_model: MakeModel, job: Job, options: Options, device: str, steps: int
    ) -> tuple[Settings, str]:
        """How to run so many steps, and a line that says so and why. Depends on its arguments alone, so reruns agree."""

    def stepper(
        self, make_model: MakeModel, job: Job, dataset: Dataset, normalization: Normalization, device: str,
        settings: Settings,
    ) -> Stepper:  # fmt: skip
        """A model with its optimizer on a device."""

    def evaluate(
        self, make_model: MakeModel, weights: Path, job: Job, dataset: Dataset, split: str,
        normalization: Normalization, device: str,
    ) -> Evaluation:  # fmt: skip
        """Measure weights, a safetensors file by the spec's names, on a split."""

    def probe(self, make_model: MakeModel, weights: Path, job: Job, device: str, layers: Sequence[str]) -> Probe:
        """The net with these weights as a function, which also tells of the layers of these names."""


def main(framework: Framework, make_model: MakeModel, job: Job, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    options = parse_options(job, argv)
    try:
        return train(framework, make_model, job, options).exit_code
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def train(
    framework: Framework, make_model: MakeModel, job: Job, options: Options,
    write: Callable[[Path], None] | None = None,
) -> Result:  # fmt: skip
    """Train a job; `write` puts the source that a new run keeps. Raises RunError for whatever a user can mend."""
    try:
        return _train(framework, make_model, job, options, write)
    except MemoryError as error:
        message = f"out of memory: {error}"
        raise RunError(
            message, "make batch_size or input.size smaller, or take a machine with more memory"
        ) from None


def _train(
    framework: Framework, make_model: MakeModel, job: Job, options: Options, write: Callable[[Path], None] | None
) -> Result:
    job = effective(job, options)
    recipe = job.recipe
    folder = options.out or Path("run")
    if options.dry_run:
        print(describe(job))
        return Result(folder, 0, 0, {})
    if options.threads is not None:
        framework.use_threads(options.threads)
    device = framework.choose_device(options.device)
    dataset = open_dataset(
        recipe.data, options.data, input_shape=job.input_shape, classes=job.classes, seed=recipe.seed
    )
    skip = recipe.data.corrupt == "skip"
    normalization = measure(recipe.data.normalize, dataset.train, job.input_shape, skip=skip)
    batches = Batches(
        dataset.train, recipe.data, recipe.batch_size, recipe.seed, job.input_shape, normalization, options.workers
    )
    total = recipe.steps or (recipe.epochs or 1) * batches.per_epoch
    prepare(folder, resume=options.resume, force=options.force)
    with lock(folder):
        settings, how = framework.settle(make_model, job, options, device, total)
        if options.resume:
            settings = _recorded(framework, folder, recipe.data.antialias)
        else:
            _record(framework, folder, make_model, job, options, device, settings, write)
        print(f"{job.name} on {device}: {total:,} steps, {how}", file=sys.stderr)
        stepper = framework.stepper(make_model, job, dataset, normalization, device, settings)
        schedule = Schedule(recipe.lr, total, batches.per_epoch)
        return Loop(job, options, folder, dataset, batches, stepper, total, schedule).run()


def _record(
    framework: Framework, folder: Path, make_model: MakeModel, job: Job, options: Options, device: str,
    settings: Settings, write: Callable[[Path], None] | None,
) -> None:  # fmt: skip
    code = folder / "code"
    try:
        for name in ("metrics.jsonl", "run.json", "responses.json"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        if write is not None:
            write(code)
        else:
            source = Path(inspect.getfile(make_model)).resolve()
            code.mkdir(exist_ok=True)
            if source.parent != code.resolve():
                shutil.copyfile(source, code / "model.py")
                with contextlib.suppress(
                    FileNotFoundError
                ):  # a built folder has the spec, a model of one's own has none
                    shutil.copyfile(source.with_name("spec.yaml"), code / "spec.yaml")
    except OSError as error:
        raise RunError(
            f"cannot write to {folder}: {error.strerror}", "free some space, or give another --out", 2
        ) from None
    write_json(folder / "run.json", {
        "backend": framework.name,
        "job": job.to_dict(),
        "class": getattr(make_model, "__name__", ""),
        "data": str(options.data.resolve()) if options.data else None,
        "device": device,
        "settings": dict(settings),
        "versions": versions(),
        "images": libraries(job.recipe.data.antialias),
    })  # fmt: skip


def _recorded(framework: Framework, folder: Path, antialias: bool) -> Settings:
    run = read_run(folder)
    if run["backend"] != framework.name:
        raise RunError(
            f"{folder} was trained with {run['backend']}, not with {framework.name}",
            f"go on with --backend {run['backend']}, or take its weights along: "
            f"archspec convert {folder} weights.safetensors --spec SPEC",
            2,
        )
    before, now = run.get("images", {}), libraries(antialias)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            had, has = (found.get(name, "not there") for found in (before, now))
            print(f"warning: this run read its images with {name} {had}, which is now {has}; pixels may differ in the last bit",
                  file=sys.stderr)  # fmt: skip
    settings: Settings = run["settings"]
    return settings

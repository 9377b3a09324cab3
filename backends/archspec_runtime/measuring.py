"""Measuring the checkpoint of a run anew."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from . import checkpoints
from .datasets import Dataset, open_dataset
from .errors import CheckpointError, RunError
from .job import Job
from .normalize import Normalization
from .probe import Probe
from .record import MakeModel
from .run_folder import read_run
from .session import Framework
from .stepper import Evaluation


@dataclass(frozen=True, slots=True)
class Trained:
    """A checkpoint of a run, with all that its net is measured by. The normalization is the checkpoint's."""

    framework: Framework
    job: Job
    make_model: MakeModel
    checkpoint: Path
    normalization: Normalization
    data: Path | None  # where the run had its images

    @property
    def weights(self) -> Path:
        """The averaged weights where there are any."""
        average = self.checkpoint / "average.safetensors"
        return average if average.exists() else self.checkpoint / "weights.safetensors"

    def images(self, data: Path | None) -> Dataset:
        """The images of the run, or those of another folder. Raises DataError."""
        job = self.job
        where = data or self.data
        return open_dataset(
            job.recipe.data, where, input_shape=job.input_shape, classes=job.classes, seed=job.recipe.seed
        )

    def probe(self, device: str, layers: Sequence[str] = ()) -> Probe:
        """The net as a function, which also tells of these layers."""
        return self.framework.probe(self.make_model, self.weights, self.job, device, layers)


def open_run(framework: Framework, path: Path, make_model: MakeModel | None = None) -> Trained:
    """A run's newest checkpoint, or one of its checkpoints. Raises RunError where a part is missing or damaged.

    The model is that of the run's own source, or `make_model`: the same net in another framework.
    """
    if (path / "manifest.json").is_file():
        folder, checkpoint = path.parent.parent, path
        checkpoints.verify(path, None)
    else:
        folder = path
        read_run(folder)
        found = checkpoints.newest(folder, None)
        if found is None:
            raise CheckpointError(f"{folder} has no checkpoint", "train it for longer")
        checkpoint = found[0]
    run = read_run(folder)
    normalization = Normalization.from_arrays(load_file(checkpoint / "normalization.safetensors"))
    make_model = make_model or _model(folder / "code" / "model.py", run["class"])
    data = Path(run["data"]) if run["data"] else None
    return Trained(framework, _job(run["job"], folder), make_model, checkpoint, normalization, data)


def evaluate_run(
    framework: Framework, path: Path, split: str = "test", data: Path | None = None, device: str = "auto",
    make_model: MakeModel | None = None,
) -> Evaluation:  # fmt: skip
    """Measure a run's newest checkpoint, or one of its checkpoints, on `train`, `val` or `test`. Raises RunError."""
    run = open_run(framework, path, make_model)
    chosen = framework.choose_device(device)
    dataset = run.images(data)
    return framework.evaluate(run.make_model, run.weights, run.job, dataset, split, run.normalization, chosen)


def _job(raw: dict[str, Any], folder: Path) -> Job:
    try:
        return Job.from_dict(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the job in {folder / 'run.json'} is not one that this version of archspec knows ({error!r})"
        raise RunError(message, "measure it with the version that trained it, which run.json names") from None


def _model(path: Path, name: str) -> MakeModel:
    spec = importlib.util.spec_from_file_location("archspec_run_model", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RunError(f"{path} is missing", "a run keeps the source of its model there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: MakeModel = getattr(module, name)
    return made

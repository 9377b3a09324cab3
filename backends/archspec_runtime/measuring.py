"""Measuring the checkpoint of a run anew."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from . import checkpoints
from .datasets import open_dataset
from .errors import CheckpointError, RunError
from .job import Job
from .loop import Evaluation
from .normalize import Normalization
from .recipe import Recipe
from .run_folder import read_run
from .session import Framework, MakeModel


def evaluate_run(
    framework: Framework, path: Path, split: str = "test", data: Path | None = None, device: str = "auto"
) -> Evaluation:
    """Measure a run's newest checkpoint, or one of its checkpoints, on `train`, `val` or `test`.

    The normalization is the checkpoint's. Raises RunError where a part is missing or damaged.
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
    job = _job(run["job"])
    chosen = framework.choose_device(device)
    name = "average.safetensors" if (checkpoint / "average.safetensors").exists() else "weights.safetensors"
    where = data or (Path(run["data"]) if run["data"] else None)
    dataset = open_dataset(
        job.recipe.data, where, input_shape=job.input_shape, classes=job.classes, seed=job.recipe.seed
    )
    normalization = Normalization.from_arrays(load_file(checkpoint / "normalization.safetensors"))
    make_model = _model(folder / "code" / "model.py", run["class"])
    return framework.evaluate(make_model, checkpoint / name, job, dataset, split, normalization, chosen)


def _job(raw: dict[str, Any]) -> Job:
    return Job(**{**raw, "input_shape": tuple(raw["input_shape"]), "recipe": Recipe.from_dict(raw["recipe"])})


def _model(path: Path, name: str) -> MakeModel:
    spec = importlib.util.spec_from_file_location("archspec_run_model", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RunError(f"{path} is missing", "a run keeps the source of its model there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: MakeModel = getattr(module, name)
    return made

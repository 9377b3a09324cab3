"""Measuring the checkpoint of a run anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.checkpoints import store
from archspec_runtime.console import warn
from archspec_runtime.data.splits import EMBEDDED, Dataset, listed, open_dataset
from archspec_runtime.errors import CheckpointError, DataError, RunError
from archspec_runtime.frameworks.results import Answer, Evaluation, Floats
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.parts import extra
from archspec_runtime.record.folder import read_run
from archspec_runtime.record.identity import (
    EDITED,
    Identity,
    TrainerSource,
    edited,
    edited_trainer,
    read_identity,
)  # fmt: skip
from archspec_runtime.record.own_source import Source

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel, Probe


@dataclass(frozen=True, slots=True)
class Trained:
    """A checkpoint of a run, with all that its net is measured by. The normalization is the checkpoint's."""

    framework: Framework
    job: Job
    make_model: MakeModel
    source: Source  # of the model
    checkpoint: Path
    normalization: Normalization
    data: Path | None  # where the run had its images
    identity: Identity | None = None  # None of a run that an earlier version began

    @property
    def weights(self) -> Path:
        """The EMA weights where there are any."""
        average = self.checkpoint / "average.safetensors"
        return average if average.exists() else self.checkpoint / "weights.safetensors"

    @property
    def class_names(self) -> list[str]:
        """The names of the classes by label; their numbers where an earlier version began the run."""
        return list(map(str, range(self.job.classes))) if self.identity is None else self.identity["classes"]

    def images(self, data: Path | None, split: str) -> Dataset:
        """The images of the run, or those of another folder. Raises DataError.

        Classes are matched by name. Without another folder, the split must be as it was when the run trained.
        """
        job = self.job
        embedded = job.recipe.data.dataset in EMBEDDED
        where = data or (None if embedded else self.data)
        names = None if self.identity is None else self.identity["classes"]
        found = open_dataset(
            job.recipe.data,
            where,
            input_shape=job.input_shape,
            classes=job.classes,
            seed=job.recipe.seed,
            names=names,
        )
        for notice in found.notices:
            warn(*notice.split("\n"))
        if self.identity is not None and data is None:
            self._check_same(found, split, where)
        elif lacking := found.lacking(split):
            of = f"{len(lacking):,} of the net's {job.classes:,} classes"
            warn(f"{where} has no images of {of} in {split}: {listed([repr(name) for name in lacking])}")
        return found

    def _check_same(self, found: Dataset, split: str, where: Path | None) -> None:
        assert self.identity is not None
        listed = "train" if split == "val" and self.job.recipe.data.holdout else split
        known, now = self.identity["data"]["splits"].get(listed), found.listings.get(listed)
        if known is None or (now is not None and known["sha256"] == now.sha256):
            return
        names, words = self.identity["classes"], extra("archspec_runtime.record.differences")
        rows = [] if words is None else words.split_changes(listed, known, now and now.to_dict(), names, names)
        message = f"{where} has changed since the run trained:"
        raise DataError(message, f"--data {where or 'FOLDER'} measures on the images as they are now", rows=rows)

    def evaluate(self, dataset: Dataset, split: str, device: str) -> Evaluation:
        """Measure a split as training does: by the `eval_step` of the run's own `train.py`, or of the one that asks."""
        framework, trainer = self.framework, self._trainer()
        if trainer is not None:
            framework = framework.stating(trainer.training(self.make_model))
        # of both, the net is at fault
        with nullcontext() if trainer is None else trainer.blamed(), self.source.blamed():
            return framework.evaluate(
                self.make_model, self.weights, self.job, dataset, split, self.normalization, device
            )

    def _trainer(self) -> Source | None:
        """The run's own `train.py`; None where another asks, whose word counts, and where there is none of this framework."""
        stated = None if self.identity is None else self.identity.get("trainer")
        if not stated:
            return None
        if self.framework.training is None:
            own = self.source.path.name == "model.py"
            return (
                Source(self.source.path.with_name("train.py"), self.source.backend, stated["sha256"])
                if own
                else None
            )
        asking = TrainerSource.of(self.framework.training)
        if asking is not None and asking.sha256 != stated["sha256"]:
            warn("this train.py is not the one that trained the run, and its own eval_step measures it")
        return None

    def probe(self, device: str, layers: Sequence[str] = ()) -> Probe:
        """The net as a function, which also tells of these layers."""
        with self.source.blamed():
            probe = self.framework.probe(self.make_model, self.weights, self.job, device, layers)

        def ask(pixels: Floats) -> Answer:
            with self.source.blamed():
                return probe(pixels)

        return ask


def open_run(framework: Framework, path: Path, make_model: MakeModel | None = None) -> Trained:
    """A run's newest checkpoint, or one of its checkpoints. Raises RunError where a part is missing or damaged.

    The model is that of the run's own source, or `make_model`: the same net in another framework.
    """
    if (path / "manifest.json").is_file():
        folder, checkpoint = path.parent.parent, path
        store.verify(path, None)
    else:
        folder = path
        read_run(folder)
        found = store.newest(folder, None)
        if found is None:
            raise CheckpointError(f"{folder} has no checkpoint", "train it for longer")
        checkpoint = found[0]
    run = read_run(folder)
    job = _job(run["job"], folder)
    identity = read_identity(store.loop_state(checkpoint), checkpoint / "loop.json")
    normalization = _normalization(checkpoint / "normalization.safetensors", job.input_shape)
    if edited(identity) and make_model is not None:
        raise RunError(
            f"{folder} was trained with a model.py that had been edited, and {framework.name} would make its net of the spec",
            f"leave --backend out: {run['backend']} has the source that was trained",
        )
    source = _source(folder, framework.name, identity, own=make_model is None)
    make_model = make_model or source.model(run["class"])
    data = Path(run["data"]) if run.get("data") else None
    if edited(identity):
        warn(f"{folder}: {EDITED}")
    if edited_trainer(identity):
        warn(f"{folder}: its train.py was edited before it was trained, so that its recipe does not say all")
    return Trained(framework, job, make_model, source, checkpoint, normalization, data, identity)


def _source(folder: Path, backend: str, identity: Identity | None, *, own: bool) -> Source:
    """The run's own source, or the spec that another backend compiles."""
    if not own:
        return Source(folder / "code" / "spec.yaml", backend)
    return Source(folder / "code" / "model.py", backend, None if identity is None else identity["source"]["sha256"])


def evaluate_run(
    framework: Framework, path: Path, split: str = "test", data: Path | None = None, device: str = "auto",
    make_model: MakeModel | None = None,
) -> Evaluation:  # fmt: skip
    """Measure a run's newest checkpoint, or one of its checkpoints, on `train`, `val` or `test`. Raises RunError."""
    run = open_run(framework, path, make_model)
    chosen = framework.choose_device(device)
    return run.evaluate(run.images(data, split), split, chosen)


def _job(raw: dict[str, Any], folder: Path) -> Job:
    try:
        job = Job.from_dict(raw)
        conforming = extra("archspec_runtime.files.conforming")
        if conforming is not None and (name := conforming.odd(job)) is not None:
            raise ValueError(f"its `{name}`")
        return effective(job, Options())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the job in {folder / 'run.json'} is not one that this version of archspec knows ({error!r})"
        raise RunError(message, "measure it with the version that trained it, which run.json names") from None


def _normalization(file: Path, shape: tuple[int, int, int]) -> Normalization:
    with store.reading(file):
        found = Normalization.from_arrays(store.tensors(file, load_file))
        for name, values in found.to_arrays().items():
            if np.broadcast_shapes(values.shape, shape) != shape:
                raise ValueError(f"{name} has the shape {values.shape}, and images {shape}")
    return found

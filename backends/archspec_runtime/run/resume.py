"""Going on with a run: it has to be the one that was begun. Where it is not quite that, `override` says in what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from archspec_runtime.console import warn
from archspec_runtime.data import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.protocol import Settings, Write
from archspec_runtime.job.job import Job, Options
from archspec_runtime.parts import extra
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.recipe import compared
from archspec_runtime.record.folder import read_run
from archspec_runtime.record.identity import (
    Identity,
    ModelSource,
    TrainerSource,
    digest_of_file,
    read_identity,
    same_trainer,
)  # fmt: skip
from archspec_runtime.run.record import decoders, digest_of_weights


class Beginning(NamedTuple):
    """What a run would begin with now."""

    identity: Identity
    source: ModelSource
    trainer: TrainerSource | None
    dataset: Dataset


def recorded(
    framework: str, folder: Path, job: Job, options: Options, write: Write | None, world: World, now: Beginning,
    total: int,
) -> tuple[Settings, Identity | None]:  # fmt: skip
    """How a run that goes on was begun, and the identity that it goes on with; None where an earlier version kept none.

    Raises RunError where it is not the same run, and says which libraries are others.
    """
    run = read_run(folder)
    if run["backend"] != framework:
        raise RunError(
            f"{folder} was trained with {run['backend']}, not with {framework}",
            f"go on with --backend {run['backend']}, or take its weights along: "
            f"archspec convert {folder} weights.safetensors",
            2,
        )
    _check_weights(folder, run.get("weights"), options)
    _warn_of_decoders(run.get("images") or {}, decoders(job.recipe.data))
    begun = read_identity(run, folder / "run.json")
    identity, settings = begun, run["settings"]
    if options.override or begun is None or not is_same(folder, begun, now.identity, job):
        override = extra("archspec_runtime.run.override")
        if override is None:
            raise RunError(
                f"{folder} was begun with another net, recipe, source or other images than this folder has now",
                "`archspec train --from FOLDER --resume` says in what they differ, and goes on with --override",
            )
        identity = override.compare(folder, run, begun, job, options, write, world, now, total)
    return settings, identity


def is_same(folder: Path, begun: Identity, now: Identity, job: Job) -> bool:
    """Whether a run is as it was begun: in its net, source, classes, images and recipe; and its folder has that source."""
    kept = folder / "code" / "model.py"
    was, is_ = compared(begun["recipe"], job.recipe)
    trained = digest_of_file(kept) in (None, begun["source"]["sha256"])
    return was == is_ and _told(begun) == _told(now) and same_trainer(begun, now) and trained


def _told(identity: Identity) -> list[Any]:
    """What tells runs apart beside their recipes and trainers."""
    images = {name: split["sha256"] for name, split in identity["data"]["splits"].items()}
    return [identity["net"]["fingerprint"], identity["source"]["sha256"], identity["classes"],
            identity["data"]["dataset"], images]  # fmt: skip


def _check_weights(folder: Path, begun_from: str | None, options: Options) -> None:
    """Raise RunError where a run was not begun with the weights that are given."""
    given = digest_of_weights(options.weights)
    if not (folder / "checkpoints").is_dir():
        if given != begun_from:
            begun_with = "other weights" if options.weights else "weights of a file"
            raise RunError(f"{folder} was begun with {begun_with}", "give the --weights that it was begun with")
    elif given not in (None, begun_from):  # its checkpoints hold others
        message = f"{folder} goes on from its checkpoints, and was not begun with these weights"
        raise RunError(message, "leave --weights out, or begin another run with another --out")


def _warn_of_decoders(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for name in sorted(before.keys() | now.keys()) if now else ():
        if before.get(name) != now.get(name):
            had, has = (found.get(name, "not there") for found in (before, now))
            warn(
                f"this run read its images with {name} {had}, which is now {has}; pixels may differ in the last bit"
            )

"""What a new run writes down of itself."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archspec_runtime.console import warn
from archspec_runtime.data.splits import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.job.job import FILE, Job, Options
from archspec_runtime.parts import extra, part
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.images import Data
from archspec_runtime.recipe.recipe import Recipe, compared, every
from archspec_runtime.record.folder import lock, prepare, read_run, versions, write_json
from archspec_runtime.record.identity import (
    Identity,
    ModelSource,
    TrainerSource,
    digest_of_source,
    read_identity,
    same_trainer,
)  # fmt: skip

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import MakeModel, Settings, Write


def take(folder: Path, options: Options, world: World, held: ExitStack) -> bool:
    """Hold the folder of a run, and say whether there is one to go on with: asked for, or this launch's own, restarted."""
    if options.resume and options.force:
        raise RunError("--resume goes on with a run and --force overwrites it", "give one of them", 2)
    resume = options.resume or (world.restarts > 0 and _launch_of(folder) == world.launch)
    if not os.path.exists(folder):  # nor can be
        held.callback(_take_away, folder)
    prepare(folder, resume=resume, force=options.force)
    held.enter_context(lock(folder))
    return resume


def _take_away(folder: Path) -> None:
    """Leave no folder of a run that never began."""
    with contextlib.suppress(OSError):  # there is something in it
        folder.rmdir()


def _launch_of(folder: Path) -> str | None:
    with contextlib.suppress(RunError):
        return str(read_run(folder).get("launch"))
    return None


def record(
    framework: str, folder: Path, make_model: MakeModel, job: Job, options: Options, device: str,
    settings: Settings, write: Write | None, world: World, identity: Identity,
    trainer: TrainerSource | None, dataset: Dataset,
) -> int:  # fmt: skip
    """Make the folder that of a new run: its source, its `run.json`, and nothing of a run before."""
    code = folder / "code"
    try:
        for name in ("metrics.jsonl", "run.json", "responses.json", "loggers.json"):
            (folder / name).unlink(missing_ok=True)
        for name in ("checkpoints", "tensorboard"):
            shutil.rmtree(folder / name, ignore_errors=True)
        if (names := extra("archspec_runtime.record.image_names")) is not None:
            names.keep_names(folder, dataset)
        if write is not None:
            write(code, job)
        else:
            source = Path(inspect.getfile(make_model)).resolve()
            code.mkdir(exist_ok=True)
            if trainer is not None and source.parent != code.resolve():
                (code / "train.py").write_text(trainer.text, encoding="utf-8")
            if source.parent != code.resolve():
                ModelSource.of(make_model).write(code)  # which need not be files
                with contextlib.suppress(FileNotFoundError):  # a model of one's own has its job say them
                    shutil.copyfile(source.with_name(FILE), code / FILE)
                with contextlib.suppress(FileNotFoundError):  # a built folder has a spec, a model of one's own none
                    text = source.with_name("spec.yaml").read_text(encoding="utf-8")
                    (code / "spec.yaml").write_text(as_it_ran(text, job.recipe, options), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}", not_written(error), 2) from None
    write_json(folder / "run.json", {
        "backend": framework,
        "identity": identity,
        "job": job.to_dict(),
        "class": getattr(make_model, "__name__", ""),
        "weights": digest_of_weights(options.weights),
        "data": str(options.data.resolve()) if options.data else None,
        "device": device,
        "settings": dict(settings),
        "options": _asked(options),
        "processes": world.size,
        "launch": world.launch,
        "versions": versions(),
        "images": decoders(job.recipe.data),
    })  # fmt: skip
    return 0


def digest_of_weights(weights: Path | None) -> str | None:
    """What tells apart the files of weights that runs begin with; None without one."""
    if weights is None:
        return None
    return str(part("archspec_runtime.checkpoints.initial_weights", "--weights").digest(weights))


def decoders(data: Data) -> dict[str, str]:
    """The libraries that make pixels of files, with their versions; none where images are in memory as they are."""
    libraries = extra("archspec_runtime.images.libraries")
    found: dict[str, str] = {} if libraries is None else libraries.libraries(data)
    return found


def as_it_ran(spec: str, recipe: Recipe, options: Options) -> str:
    """The text of a resolved spec with what the options have changed in its recipe."""
    if options.steps is not None:
        spec = re.sub(r"(?m)(^train:\n(?:  .*\n)*?)  (?:steps|epochs): .*$", rf"\g<1>  steps: {recipe.steps}", spec)
    if options.eval_every is not None:
        spec = re.sub(r"(?m)(^train:\n(?:  .*\n)*?)  eval_every: .*\n", r"\g<1>", spec)
        spec = re.sub(r"(?m)^train:\n", f"train:\n  eval_every: {every(recipe.eval_every)}\n", spec)
    if options.scale_schedule:
        spec = (
            f"# Trained with --steps {options.steps} --scale-schedule: run.json has the schedule as it ran.\n{spec}"
        )
    if options.seed is not None:
        spec = re.sub(r"(?m)(^train:\n(?:  .*\n)*?)  seed: .*\n", r"\g<1>", spec)
        spec = re.sub(r"(?m)^train:\n", f"train:\n  seed: {recipe.seed}\n", spec)
    return spec


def _asked(options: Options) -> dict[str, Any]:
    """What was asked for beside the recipe, where it is not what an option is by itself."""
    usual, given = asdict(Options()), asdict(options)
    elsewhere = {"data", "weights", "out", "resume", "override", "force", "dry_run", "steps", "seed", "eval_every", "device",
                 "nproc"}  # fmt: skip
    return {
        name: value for name, value in given.items() if name not in elsewhere and value and value != usual[name]
    }


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
    trained = digest_of_source(kept) in (None, begun["source"]["sha256"])
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

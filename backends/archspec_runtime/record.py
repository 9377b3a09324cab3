"""What a new run writes down of itself, and what a resumed one has to have in common with it."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from .changes import changes
from .console import warn
from .datasets.libraries import libraries
from .errors import RunError
from .job import Job, Options
from .run_folder import lock, prepare, read_run, versions, write_json
from .starting import digest
from .world import World

MakeModel = Callable[..., Any]
Settings = Mapping[str, Any]
"""How a framework runs a job; recorded with the run, so that a resumed one goes on as it began."""


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
    settings: Settings, write: Callable[[Path], None] | None, world: World,
) -> int:  # fmt: skip
    """Make the folder that of a new run: its source, its `run.json`, and nothing of a run before."""
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
                lines = inspect.getsource(sys.modules[make_model.__module__])  # which need not be a file
                (code / "model.py").write_text(lines, encoding="utf-8")
                with contextlib.suppress(
                    FileNotFoundError
                ):  # a built folder has the spec, a model of one's own has none
                    shutil.copyfile(source.with_name("spec.yaml"), code / "spec.yaml")
    except OSError as error:
        raise RunError(
            f"cannot write to {folder}: {error.strerror}", "free some space, or give another --out", 2
        ) from None
    write_json(folder / "run.json", {
        "backend": framework,
        "job": job.to_dict(),
        "class": getattr(make_model, "__name__", ""),
        "weights": digest(options.weights) if options.weights else None,
        "data": str(options.data.resolve()) if options.data else None,
        "device": device,
        "settings": dict(settings),
        "processes": world.size,
        "launch": world.launch,
        "versions": versions(),
        "images": libraries(job.recipe.data),
    })  # fmt: skip
    return 0


def recorded(
    framework: str, folder: Path, job: Job, options: Options, write: Callable[[Path], None] | None, world: World
) -> Settings:
    """How a run that goes on was begun. Raises RunError where it is not the same, and says which libraries are others."""
    run = read_run(folder)
    if run["backend"] != framework:
        raise RunError(
            f"{folder} was trained with {run['backend']}, not with {framework}",
            f"go on with --backend {run['backend']}, or take its weights along: "
            f"archspec convert {folder} weights.safetensors",
            2,
        )
    if not (folder / "checkpoints").is_dir():  # which would tell
        _same(folder, run["job"], run.get("weights"), job, options)
    before, now = run.get("images") or {}, libraries(job.recipe.data)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            had, has = (found.get(name, "not there") for found in (before, now))
            warn(
                f"this run read its images with {name} {had}, which is now {has}; pixels may differ in the last bit"
            )
    if options.override and run["job"].get("fingerprint") == job.fingerprint:
        world.lead(lambda: _override(folder, run, job, write))
    settings: Settings = run["settings"]
    return settings


def _override(folder: Path, run: dict[str, Any], job: Job, write: Callable[[Path], None] | None) -> int:
    """Have the run's record and source say the recipe that it goes on with, and what that was before."""
    changed = changes(run["job"]["recipe"], job.recipe)
    if changed:
        if write is not None:
            _written(folder, partial(_keeping, write))
        write_json(
            folder / "run.json",
            {**run, "job": job.to_dict(), "overridden": [*(run.get("overridden") or []), changed]},
        )
    return 0


def _keeping(write: Callable[[Path], None], code: Path) -> None:
    """Write, and keep a model that this replaces under a name beside it: it may be somebody's work. Raises OSError."""
    model = code / "model.py"
    if not model.is_file():
        return write(code)
    held = model.read_bytes()
    names = (model.with_name(f"model.before{n or ''}.py") for n in itertools.count())
    copy = next(name for name in names if not name.exists())
    copy.write_bytes(held)
    write(code)
    if model.read_bytes() == held:
        copy.unlink()
    else:
        warn(f"{model} is written anew; what it held is kept as {copy}")
    return None


def _written(folder: Path, write: Callable[[Path], None]) -> None:
    try:
        write(folder / "code")
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}"
        raise RunError(message, "free some space, or give another --out", 2) from None


def _same(folder: Path, begun: Mapping[str, Any], begun_from: str | None, job: Job, options: Options) -> None:
    """Raise RunError where a run that has no checkpoint yet was begun with another net or recipe."""
    if begun.get("fingerprint") != job.fingerprint:
        message = f"{folder} was begun with another net, {begun['name']}"
        raise RunError(message, "give the spec that it was begun with, or start anew with --force")
    if begun_from != (digest(options.weights) if options.weights else None):
        begun_with = "other weights" if options.weights else "weights of a file"
        raise RunError(f"{folder} was begun with {begun_with}", "give the --weights that it was begun with")
    changed = changes(begun["recipe"], job.recipe)
    if changed and not options.override:
        message, help_ = f"{folder} was begun with another recipe:", "--override resumes all the same"
        raise RunError(message, help_, rows=changed)

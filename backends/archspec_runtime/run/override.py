"""Going on with a run that is not as it was begun: what differs, in words, and what --override does about it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec_runtime.checkpoints import store
from archspec_runtime.checkpoints.store import loop_state
from archspec_runtime.console import warn
from archspec_runtime.data.splits import Dataset
from archspec_runtime.errors import OtherNetError, RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.job.job import Job, Options
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.changes import changes
from archspec_runtime.record.differences import TRAINER, Difference, differences, source_changes, told
from archspec_runtime.record.folder import write_json
from archspec_runtime.record.identity import (
    LAYERS,
    Identity,
    ModelSource,
    TrainerSource,
    arithmetic,
    digest_of,
    digest_of_source,
    listed,
    source_text,
)  # fmt: skip
from archspec_runtime.record.image_names import keep_names, name_changes
from archspec_runtime.run.record import Beginning

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Write

EDITED = "was edited since the run trained"


def compare(
    folder: Path, run: Mapping[str, Any], begun: Identity | None, job: Job, options: Options, write: Write | None,
    world: World, now: Beginning, total: int,
) -> Identity | None:  # fmt: skip
    """The identity that the run goes on with; None where an earlier version kept none.

    Raises RunError where it is not the same run, or would end before it is.
    """
    identity, source, trainer, dataset = now
    if begun is None and world.leads:
        warn(
            f"{folder} was begun by a version that kept no record of class names and images; they are not compared"
        )
    if not (folder / "checkpoints").is_dir():  # which would tell
        _same(folder, run["job"], job, options)
    found = _compared(folder, run, begun, job, identity, source, trainer)
    if any(one.part == "images" for one in found) and (lines := tuple(name_changes(folder, dataset))):
        found.append(Difference("images", lines))
    refused = [one for one in found if one.part in ("source", "classes", "images")]
    if refused and not options.override:
        message = f"{folder} is not the run that this would go on with:"
        raise RunError(message, _overriding(found, of_spec=write is not None), rows=told(found))
    was, to_be = run["job"]["recipe"], job.to_dict()["recipe"]
    same_steps = was["batch_size"] == to_be["batch_size"]  # else a checkpoint's are counted anew
    if options.override and same_steps and _length(was) != _length(to_be):
        _check_end(folder, world.lead(lambda: step_reached(folder, job)), total)
    goes_on = begun
    if begun is not None and found:  # the weights were trained with the normalization that they had
        goes_on = {**identity, "normalization": begun["normalization"]}
    if options.override and run["job"].get("fingerprint") == job.fingerprint:
        entry = {"identity": goes_on} if goes_on else {}
        world.lead(
            lambda: _override(folder, {**run, **entry}, job, write, source, trainer, found, dataset) if found else 0
        )
    return goes_on


def step_reached(folder: Path, job: Job) -> int:
    """The step of a run's newest checkpoint; 0 where there is none, or it is of another net."""
    try:
        found = store.newest(folder, job.fingerprint)
    except OtherNetError:
        return 0  # which is told where it is read
    return 0 if found is None else int(loop_state(found[0])["step"])


def _length(recipe: Mapping[str, Any]) -> tuple[Any, Any]:
    return recipe.get("steps"), recipe.get("epochs")


def _check_end(folder: Path, reached: int, total: int) -> None:
    """Raise RunError where a run has come as far as it is now to go: its record would say what was never trained."""
    if reached >= total:
        message = (
            f"{folder} is at step {reached:,} already, and would end at step {total:,}: nothing is left to train"
        )
        raise RunError(message, "ask for more --steps, or leave them out to go on as it was begun")


def _compared(
    folder: Path,
    run: Mapping[str, Any],
    begun: Identity | None,
    job: Job,
    identity: Identity,
    source: ModelSource,
    trainer: TrainerSource | None,
) -> list[Difference]:
    """In what a run differs from what it is asked to go on as; nothing where the net does, which checkpoints tell more of."""
    if run["job"].get("fingerprint") != job.fingerprint:
        return []
    kept = folder / "code" / "model.py"
    trained = listed(kept) if begun is None else begun["source"]["sha256"]
    there = digest_of_source(kept)
    found = []
    if there is not None and trained not in (None, there):
        whole = source.whole if source.sha256 == trained else None
        lines = source_changes(whole, source_text(kept), (f"{kept} {EDITED}", "trained", "there"))
        found.append(Difference("source", tuple(lines)))
    if begun is not None:
        more = differences(begun, identity, (source_text(kept), source.whole) if there == trained else None)
        return found + [_with_lines(one, kept.with_name("train.py"), begun, trainer) for one in more]
    changed = changes(run["job"]["recipe"], job.recipe)
    return found + ([Difference("recipe", tuple(changed))] if changed else [])


def _with_lines(found: Difference, kept: Path, begun: Identity, trainer: TrainerSource | None) -> Difference:
    """The difference with the lines in which two `train.py` differ, where the run still has the one that trained it."""
    if TRAINER not in found.lines or trainer is None or not kept.is_file():
        return found
    try:
        before = arithmetic(_text(kept))
    except SyntaxError:
        return found
    if digest_of(before) != begun["trainer"]["sha256"]:
        return found
    shown = source_changes(before, arithmetic(trainer.text), (TRAINER, "before", "now"))
    return Difference(found.part, (*(line for line in found.lines if line != TRAINER), *shown))


def _overriding(found: Sequence[Difference], *, of_spec: bool) -> str:
    """What --override does: a run goes on with one source, and what its folder holds instead is put aside."""
    source = next((one for one in found if one.part == "source"), None)
    if source is None:
        return "--override resumes all the same"
    file = "train.py" if source.lines[0].startswith(TRAINER) else "model.py"
    goes_on = (
        "the source of the spec"
        if of_spec
        else "the model.py beside train.py"
        if file == "model.py"
        else "this train.py"
    )
    put_aside = "the edited file" if EDITED in source.lines[0] else "the run's"
    return f"--override goes on with {goes_on}, and keeps {put_aside} as {file[:-3]}.before.py"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _override(
    folder: Path, run: dict[str, Any], job: Job, write: Write | None, source: ModelSource,
    trainer: TrainerSource | None, found: Sequence[Difference], dataset: Dataset,
) -> int:  # fmt: skip
    """Have the run's record and source say what it goes on as, and what that was before."""
    if write is not None:
        _written(folder, partial(_keeping, lambda code: write(code, job)))
    elif any(one.part == "source" for one in found):
        _written(folder, partial(_keeping, lambda code: _put(code, source, trainer)))
    if any(one.part == "images" for one in found):
        _written(folder, lambda code: keep_names(code.parent, dataset))
    lines = [line for one in found for line in one.lines]
    write_json(
        folder / "run.json",
        {**run, "job": job.to_dict(), "overridden": [*(run.get("overridden") or []), lines]},
    )
    return 0


def _put(code: Path, source: ModelSource, trainer: TrainerSource | None) -> None:
    source.write(code)
    if trainer is not None:
        (code / "train.py").write_text(trainer.text, encoding="utf-8")


def _keeping(write: Callable[[Path], None], code: Path) -> None:
    """Write, and keep what this replaces under names beside it: it may be somebody's work. Raises OSError."""
    held = {path: path.read_bytes() for name in ("model.py", LAYERS, "train.py") if (path := code / name).is_file()}
    copies = {path: _free(path) for path in held}
    for path, copy in copies.items():
        copy.write_bytes(held[path])
    write(code)
    for path, copy in copies.items():
        if same_source(path.name, held[path], path.read_bytes()):
            copy.unlink()
        else:
            warn(f"{path} is written anew; what it held is kept as {copy}")


def same_source(name: str, one: bytes, other: bytes) -> bool:
    """Whether two files of this name say the same; the job of a `train.py` is in the run's record."""
    if one == other or name != "train.py":
        return one == other
    try:
        return arithmetic(one.decode("utf-8")) == arithmetic(other.decode("utf-8"))
    except (SyntaxError, ValueError):
        return False


def _free(path: Path) -> Path:
    """A name beside a file that nothing has."""
    names = (path.with_name(f"{path.stem}.before{n or ''}.py") for n in itertools.count())
    return next(name for name in names if not name.exists())


def _written(folder: Path, write: Callable[[Path], None]) -> None:
    try:
        write(folder / "code")
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}"
        raise RunError(message, not_written(error), 2) from None


def _same(folder: Path, begun: Mapping[str, Any], job: Job, options: Options) -> None:
    """Raise RunError where a run that has no checkpoint yet was begun with another net or recipe."""
    if begun.get("fingerprint") != job.fingerprint:
        message = f"{folder} was begun with another net, {begun['name']}"
        raise RunError(message, "give the spec that it was begun with, or start anew with --force")
    changed = changes(begun["recipe"], job.recipe)
    if changed and not options.override:
        message, help_ = f"{folder} was begun with another recipe:", "--override resumes all the same"
        raise RunError(message, help_, rows=changed)

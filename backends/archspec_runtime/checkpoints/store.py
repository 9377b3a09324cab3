"""Checkpoints: written aside, flushed and renamed; each with a manifest of checksums; the newest whole one is resumed.

One is removed only when a newer one stands.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from archspec_runtime.console import warn
from archspec_runtime.errors import CheckpointError, DamagedError, OtherNetError, UnfitError
from archspec_runtime.parts import extra
from archspec_runtime.processes.platforms import flush
from archspec_runtime.recipe.recipe import Keep

T = TypeVar("T")

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor of a net, by the spec's names."""

SETS = {"average": "the EMA weights, which are evaluated", "weights": "the weights of the last step"}
"""The sets of weights that a checkpoint may have, the one that is evaluated first."""

JUNK: tuple[type[Exception], ...] = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What reading raises of a file that is of another kind, and taking apart what it holds."""


@contextmanager
def reading(file: Path, *more: type[Exception]) -> Iterator[None]:
    """Say which file of a checkpoint it is that cannot be read, or does not hold what it should. Raises DamagedError.

    `more` is what else its reader raises.
    """
    try:
        yield
    except FileNotFoundError:
        raise damaged(file.parent, f"{file} is missing") from None
    except (*JUNK, *more) as error:
        why = next(iter(str(error).splitlines()), "")[:200]
        message = f"{file} does not hold what it should ({type(error).__name__}: {why})"
        raise damaged(file.parent, message) from None


def damaged(checkpoint: Path, message: str) -> DamagedError:
    """The error that says so of a checkpoint, and how to go on without it."""
    return DamagedError(message, _without(checkpoint))


def tensors(file: Path, load: Callable[[Path], Mapping[str, T]]) -> Mapping[str, T]:
    """The tensors of a safetensors file, by the reader of a framework. Raises DamagedError."""
    from safetensors import SafetensorError

    with reading(file, SafetensorError):
        return load(file)


def fit(file: Path, given: Shapes, own: Shapes, owner: str = "net") -> None:
    """Raise UnfitError where the tensors of a file do not have the names and shapes of the net's, or of its optimizer's."""
    if given != own:
        other = extra("archspec_runtime.checkpoints.mismatch")
        places = "in the file", f"in the {owner}"
        rows = (
            ["its tensors have other names or shapes"] if other is None else other.differences(given, own, places)
        )
        raise unfit(file, owner, rows)


def unfit(file: Path, owner: str, told: Iterable[str]) -> UnfitError:
    """The error that says in some lines why a file is not for the net, or for its optimizer."""
    changed = "if the recipe's `optimizer` was changed, leave it as it was; else "
    help_ = ("" if owner == "net" else changed) + _without(file.parent)
    return UnfitError(f"{file} does not fit the {owner}:", help_, rows=told)


def loop_state(checkpoint: Path) -> dict[str, Any]:
    """The state of the loop, which has its `step` and its `job`. Raises DamagedError."""
    file = checkpoint / "loop.json"
    with reading(file):
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if checkpoint.name != f"step-{state['step']:08d}":
            raise ValueError(f"it is of step {state['step']}")
        if not isinstance(state["job"]["recipe"], dict):
            raise TypeError("its recipe is none")
    return state


def check(file: Path) -> None:
    """Raise DamagedError unless the beginning of a safetensors file, and the whole of a JSON file, can be read."""
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        with reading(file, SafetensorError), safe_open(file, framework="np"):
            pass
    elif file.suffix == ".json":
        with reading(file):
            json.loads(file.read_text(encoding="utf-8"))


def _without(checkpoint: Path) -> str:
    older = [path for path in checkpoint.parent.glob("step-*") if path.name < checkpoint.name]
    if not older:
        return "there is none before it to take: train anew, with another --out or with --force"
    return f"move {checkpoint} away: the one before, {max(older).name}, is then resumed from and measured"


FORMAT = 1
DEFAULT = Keep()
Measured = Mapping[str, float]  # errors in percent, by name


def save(
    folder: Path, step: int, fingerprint: str, write: Callable[[Path], None], keep: Keep = DEFAULT,
    measured: Measured | None = None, anchors: int | None = None,
) -> Path | None:  # fmt: skip
    """Write a checkpoint of a step through `write`, which puts files into the folder it is given, and remove what need not stay.

    `measured` are the errors of its weights, where they are known; for the rest see `kept`. Returns its folder, or None where
    the disk did not take it: the ones before are left as they are.
    """
    target = place(folder, step)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for left in target.parent.glob(".step-*"):  # by a process that was killed while it wrote
            shutil.rmtree(left, ignore_errors=True)
        aside.mkdir(parents=True)
        write(aside)
        sums = {path.name: _checksum(path) for path in sorted(aside.iterdir())}
        manifest = {
            "format": FORMAT,
            "step": step,
            "fingerprint": fingerprint,
            "measured": dict(measured or {}),
            "sha256": sums,
        }
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        for path in [*aside.iterdir(), aside]:
            flush(path)
        _remove(target)
        os.rename(aside, target)
        flush(target.parent)
    except OSError as error:
        warn(f"no checkpoint at step {step}: {error.strerror or error}; the one before stands")
        return None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    present = _all(folder)
    for old in present.keys() - kept({s: _measured(p) for s, p in present.items()}, step, keep, anchors):
        _remove(present[old])
    return target


def kept(present: Mapping[int, Measured], newest: int, keep: Keep, anchors: int | None = None) -> set[int]:
    """Which of the steps that have a checkpoint keep it, when the one of step `newest` has just been written.

    What is later than that is damaged, or of a past that was given up. A run may go back to the last multiple of `anchors`.
    """
    steps = sorted(step for step in present if step <= newest)
    stay = set(steps[-keep.last :])
    if keep.every is not None:
        stay |= {step for step in steps if step % keep.every == 0}
    if anchors is not None:
        stay |= set([step for step in steps if step % anchors == 0][-1:])
    if keep.best is not None:
        stay |= {
            step for _, step in sorted((present[s][keep.best], s) for s in steps if keep.best in present[s])[:1]
        }
    return stay


def best(folder: Path, metric: str) -> tuple[float, int] | None:
    """The lowest of a metric that a run's checkpoints were measured with, and its step."""
    found = {step: _measured(path) for step, path in _all(folder).items()}
    return min(((values[metric], step) for step, values in found.items() if metric in values), default=None)


def place(folder: Path, step: int) -> Path:
    """Where a run keeps the checkpoint of a step."""
    return folder / "checkpoints" / f"step-{step:08d}"


def newest(folder: Path, fingerprint: str | None, every: int = 1) -> tuple[Path, dict[str, Any]] | None:
    """The newest complete checkpoint of a run, of a multiple of `every` steps, and its manifest; damaged ones are said.

    Raises CheckpointError where there are checkpoints and none can be used, OtherNetError where the newest is of another net.
    """
    faults: list[CheckpointError] = []
    for path in reversed([path for step, path in _all(folder).items() if step % every == 0]):
        try:
            found = path, verify(path, fingerprint)
        except CheckpointError as error:
            faults.append(error)
            continue
        _say_passed_over(faults)
        return found
    _say_passed_over([fault for fault in faults if not isinstance(fault, OtherNetError)])
    if faults and isinstance(faults[0], OtherNetError):
        raise faults[0]
    if faults:
        other = next((fault.hint for fault in faults if not isinstance(fault, DamagedError)), None)
        raise CheckpointError(
            f"no checkpoint in {folder} can be used", other or "train anew, with another --out or with --force"
        )
    return None


def _say_passed_over(faults: Iterable[CheckpointError]) -> None:
    for fault in faults:
        warn(f"{fault.message}; trying the one before")


def verify(path: Path, fingerprint: str | None) -> dict[str, Any]:
    """Check a checkpoint against its manifest, and against the net where a fingerprint is given. Raises CheckpointError.

    What its files hold is looked at as far as it is of no framework.
    """
    try:
        manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        sums, written, made_for = manifest["sha256"], manifest["format"], manifest["fingerprint"]
        if not isinstance(sums, dict):
            raise TypeError("no checksums")
    except (OSError, ValueError, KeyError, TypeError):
        raise damaged(path, f"{path} has no readable manifest") from None
    if written != FORMAT:
        raise CheckpointError(
            f"{path} has format {written}, and this version reads {FORMAT}", "install a newer archspec"
        )
    if fingerprint is not None and made_for != fingerprint:
        raise OtherNetError(path)
    for name, checksum in sums.items():
        file = path / Path(name).name
        if not file.is_file():
            raise damaged(path, f"{file} is missing")
        if _checksum(file) != checksum:
            raise damaged(path, f"{file} is damaged: its checksum differs")
        check(file)
    return manifest


def _all(folder: Path) -> dict[int, Path]:
    """By step, in order."""
    found = {path: re.fullmatch(r"step-(\d+)", path.name) for path in (folder / "checkpoints").glob("step-*")}
    return dict(sorted((int(match[1]), path) for path, match in found.items() if match))


def _measured(path: Path) -> Measured:
    try:
        measured = json.loads((path / "manifest.json").read_text(encoding="utf-8")).get("measured", {})
        return {name: float(error) for name, error in measured.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remove(path: Path) -> None:
    """Away under another name first, so that a kill leaves no half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    with contextlib.suppress(OSError):
        os.rename(path, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The folder of a run: who works in it, what was asked for, and the metrics line by line."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import file_around, not_written
from archspec_runtime.processes.platforms import lives
from archspec_runtime.processes.signals import undone, undone_unheard, written_whole

OURS = {"run.json", "metrics.jsonl", "checkpoints", "code", "spec.yaml", "curves.png", "curves.svg", "lock"}
PACKAGES = ("archspec-nn", "numpy", "torch", "jax", "flax")
Row = dict[str, Any]
Log = Callable[[Row], None]


RECORD: Mapping[str, Any] = {
    "backend": str,
    "class": str,
    "data": str | None,
    "settings": dict,
    "images": dict | None,
    "overridden": list | None,
    "memory": dict | None,
    "job": {
        "name": str,
        "input_shape": list,
        "classes": int,
        "recipe": {"steps": int | None, "epochs": int | None, "seed": int, "data": {"dataset": str}},
    },
}
"""What the record of every version has; what may be None may be left out."""


def lacking(record: object, wanted: Mapping[str, Any] = RECORD) -> str | None:
    """The dotted key of the first value that a record has not, or of another kind; None where all is there."""
    if not isinstance(record, dict):
        return "{}"
    for key, kind in wanted.items():
        value = record.get(key)
        if isinstance(kind, Mapping):
            inner = lacking(value, kind)
            if inner is not None:
                return key if inner == "{}" else f"{key}.{inner}"
        elif not _is(value, kind):
            return key
    return None


def _is(value: object, kind: Any) -> bool:
    """Whether a value is of a type; True and False are no numbers."""
    return isinstance(value, kind) and (not isinstance(value, bool) or not isinstance(0, kind))


def run_of(file: Path) -> Path | None:
    """The folder of the run that a file is kept by; None for any other, beside what a run keeps as well."""
    for parent in file.absolute().parents:
        if (parent / "run.json").is_file():
            return parent if file.absolute().relative_to(parent).parts[0] in OURS else None
    return None


def prepare(folder: Path, *, resume: bool, force: bool) -> None:
    """Make a run's folder, or check the one that is there. Raises RunError as `check_room` does, or where none can be made."""
    check_room(folder, resume=resume, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}", "give another --out", 2) from None


def check_room(folder: Path, *, resume: bool, force: bool) -> None:
    """Raise RunError where a folder holds something else, a run that would be overwritten, or none to resume."""
    check_utf8(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file", "give --out a folder", 2)
        if (around := file_around(folder)) is not None:
            raise RunError(f"{around} is a file", "give another --out", 2)
        present = {p.name for p in folder.iterdir()} if folder.exists() else set[str]()
    except OSError as error:
        raise RunError(f"cannot read {folder}: {error.strerror}", "give another --out", 2) from None
    if resume and "run.json" not in present:
        raise RunError(f"{folder} holds no run to resume", "check --out, or leave --resume out")
    others = present - {"code", "spec.yaml", "lock"}  # a lock alone is of a run that never began
    if others and not resume and not force:
        what = "a run" if "run.json" in present else "other files"
        raise RunError(
            f"{folder} holds {what}", "give another --out, go on with --resume, or overwrite with --force", 2
        )


def check_utf8(folder: Path) -> None:
    """Raise RunError where the name of a run's folder is not UTF-8: weights in it could not be read."""
    try:
        os.fsencode(folder).decode()  # as bytes: a locale that is not UTF-8 reads every such name as something else
    except UnicodeError:
        raise RunError(
            f"the name {folder} is not UTF-8, and weights are not read from there", "give it another name", 2
        ) from None


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; a lock left by a dead process of this machine is taken over."""
    path = folder / "lock"
    mine = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
    for _ in range(2):
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(mine)
            break
        except FileExistsError:
            holder = _holder(path)
            if holder is not None:
                raise RunError(f"{folder} is in use by process {holder['pid']} on {holder['host']}",
                               f"wait for it, or remove {path} if it is gone") from None  # fmt: skip
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot write to {folder}: {error.strerror}", "give another --out", 2) from None
    with undone(lambda: path.unlink(missing_ok=True)), undone_unheard():
        yield


def _holder(path: Path) -> Row | None:
    try:
        holder: Row = json.loads(path.read_text(encoding="utf-8"))
        if holder["host"] == socket.gethostname() and not lives(int(holder["pid"])):
            return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return holder


def versions() -> dict[str, str]:
    """The versions of what decides a run's numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def write_json(path: Path, value: object) -> None:
    """Write a file aside and rename it, so that it is whole or as it was."""
    try:
        with written_whole(path) as aside:
            aside.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}", not_written(error)) from None


def read_run(folder: Path) -> Row:
    """What `run.json` says. Raises RunError."""
    check_utf8(folder)
    try:
        run: Row = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _no_run(
            folder, "it has no run.json" if folder.exists() else "there is nothing of that name"
        ) from None
    except NotADirectoryError:
        raise _no_run(folder, "it is a file") from None
    except OSError as error:
        message = f"cannot read {folder / 'run.json'}: {error.strerror}"
        raise RunError(message, "check the path, and what you may do there") from None
    except ValueError as error:
        raise _no_run(folder, f"its run.json is no JSON ({error})") from None
    if (key := lacking(run)) is not None:
        raise _no_run(folder, f"its run.json is not the record of one: see its `{key}`")
    return run


def _no_run(folder: Path, why: str) -> RunError:
    below = sorted(path.parent for path in folder.glob("*/run.json"))
    help_ = f"it holds runs: give one of them, such as {below[0]}" if below else "give the folder that was --out"
    return RunError(f"{folder} is not the folder of a run: {why}", help_)


class Metrics:
    """`metrics.jsonl`: one JSON object a line, each written whole, by the process that `writes`."""

    def __init__(self, folder: Path, *, writes: bool = True, log: Log | None = None) -> None:
        self.writes = writes
        self.log = log  # what is given each row as well
        self.path = folder / "metrics.jsonl"

    def append(self, row: Row) -> None:
        """Add a row with the time, in UTC; a full disk is said and survived."""
        if not self.writes:
            return
        row = {k: _plain(v) for k, v in row.items()}
        row["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self.log is not None:
            self.log(row)
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            warn(f"{self.path}: {error.strerror}; this row of metrics is lost")

    def rewind(self, step: int, *, owed: bool = False) -> None:
        """Drop what was measured after a step, which will be measured again; with `owed` also the evaluation after it."""
        again = {"eval"} if owed else set[str]()
        rows = read_metrics(self.path.parent)
        self._write([r for r in rows if r["step"] < step or (r["step"] == step and r.get("kind") not in again)])

    def renumber(self, before: int, now: int) -> int:
        """Count the steps of all rows anew, of which an epoch had so many before and has so many now."""
        self._write([{**row, "step": row["step"] * now // before} for row in read_metrics(self.path.parent)])
        return 0

    def _write(self, rows: Iterable[Row]) -> None:
        try:
            with written_whole(self.path) as aside:
                aside.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        except OSError as error:
            raise RunError(
                f"cannot write {self.path}: {error.strerror}", not_written(error, "write elsewhere")
            ) from None


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value  # JSON has no NaN


def read_metrics(folder: Path) -> list[Row]:
    """All whole rows of a run's metrics; each says after which `step` it was written."""
    path = folder / "metrics.jsonl"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    rows = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):  # a kill can cut the last line off
            row = json.loads(line)
            if lacking(row, {"step": int}) is None:
                rows.append(row)
    return rows

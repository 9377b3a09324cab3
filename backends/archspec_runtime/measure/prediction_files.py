"""Predictions in a file, which is there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from archspec_runtime.console import say
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.measure.predictions import FORMS, Prediction, print_all, told
from archspec_runtime.processes.signals import written_whole
from archspec_runtime.record.folder import run_of


def check_out(out: Path | None, *, force: bool, option: str = "--out") -> None:
    """Raise RunError where a file cannot be written, or is there and would be lost, or where there is none to overwrite."""
    if out is None:
        if force:
            raise RunError(
                "--force overwrites a file, and none is written", f"give {option}, or leave --force out", 2
            )
        return
    if out.is_dir():
        raise RunError(f"{out} is a folder", f"give {option} a file", 2)
    if not out.parent.is_dir():
        raise RunError(f"{out.parent} is no folder", f"make it, or give another {option}", 2)
    if (run := run_of(out)) is not None:
        raise RunError(f"{out} is a file of the run {run}", f"give another {option}", 2)
    if out.exists() and not force:
        raise RunError(f"{out} is there already", f"give another {option}, or --force", 2)


def form_of(asked: str | None, out: Path | None) -> str:
    """The form that is asked for; without one, that of the file's suffix, or a table."""
    if asked is not None:
        return asked
    suffix = "" if out is None else out.suffix.lower().removeprefix(".")
    return suffix if suffix in FORMS else "table"


def write(
    found: Iterable[Prediction], form: str, pictures: Sequence[str], classes: Sequence[str], out: Path | None = None
) -> int:
    """Print predictions, or write them to `out`; gives the exit code: 1 where a picture could not be read, which is said."""
    if out is None:
        return print_all(found, form, pictures, classes)
    faults: list[RunError] = []
    try:
        with written_whole(out) as aside, open(aside, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(FORMS[form](told(found, faults), pictures, classes))
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}", not_written(error), 1) from None
    count = len(pictures) - len(faults)
    say(f"the predictions of {count:,} image{'' if count == 1 else 's'} are in {out}")
    return 1 if faults else 0

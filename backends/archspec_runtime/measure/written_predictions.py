"""Predictions where a user wants them: on the standard output, or in a file that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from archspec_runtime.console import complain, say, tell_text
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.measure.predictions import Prediction
from archspec_runtime.measure.printed_predictions import FORMS
from archspec_runtime.processes.interrupts import written_whole
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
    faults: list[RunError] = []
    count = 0

    def told() -> Iterator[Prediction]:
        nonlocal count
        for one in found:
            count += one.fault is None
            if one.fault is not None:
                faults.append(one.fault)
                complain(one.fault)
            yield one

    text = FORMS[form](told(), pictures, classes)
    if out is None:
        for piece in text:
            tell_text(piece)
        return 1 if faults else 0
    try:
        with written_whole(out) as aside, open(aside, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(text)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}", not_written(error), 1) from None
    say(f"the predictions of {count:,} image{'' if count == 1 else 's'} are in {out}")
    return 1 if faults else 0

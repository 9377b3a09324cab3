"""Predictions as a table, JSON or CSV, a piece at a time: printed, or in a file that is there whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from archspec_runtime.console import complain, printable, say, tell_text
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.measure.predictions import Prediction
from archspec_runtime.processes.signals import written_whole
from archspec_runtime.record.folder import run_of

WIDEST = 40  # characters that names of pictures and classes are aligned to

Form = Callable[[Iterable[Prediction], Sequence[str], Sequence[str]], Iterator[str]]
"""The text of predictions, given the names of all pictures and of all classes, for their width."""


def table(found: Iterable[Prediction], pictures: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """A row for each picture that could be read."""
    wide, narrow = _width(pictures), _width(classes)
    for one in found:
        if one.fault is None:
            guesses = (f"{printable(guess.name):<{narrow}} {guess.probability:7.2%}" for guess in one.guesses)
            yield "  ".join([f"{printable(one.image):<{wide}}", *guesses]) + "\n"


def as_json(found: Iterable[Prediction], pictures: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """A list with an object for each picture; one that could not be read has an `error`."""
    before = "[\n"
    for one in found:
        yield before + json.dumps(record(one))
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def as_csv(found: Iterable[Prediction], pictures: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """A row for each class of each picture that could be read."""
    yield _row(["image", "rank", "class", "label", "probability"])
    for one in found:
        for rank, guess in enumerate(one.guesses, start=1):
            yield _row([one.image, rank, guess.name, guess.label, guess.probability])


def record(one: Prediction) -> dict[str, Any]:
    """A prediction as JSON has it."""
    if one.fault is not None:
        return {"image": one.image, "error": one.fault.message}
    return {"image": one.image, "predictions": [
        {"class": guess.name, "label": guess.label, "probability": guess.probability} for guess in one.guesses
    ]}  # fmt: skip


FORMS: dict[str, Form] = {"table": table, "json": as_json, "csv": as_csv}


def _width(names: Iterable[str]) -> int:
    return min(WIDEST, max((len(printable(name)) for name in names), default=0))


def _row(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


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

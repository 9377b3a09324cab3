"""Predictions as a table, JSON or CSV, a piece at a time as they come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from archspec_runtime.measure.predictions import Prediction
from archspec_runtime.printable import printable

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

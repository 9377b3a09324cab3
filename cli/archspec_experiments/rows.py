"""Metrics of runs as rows for other programs: CSV, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from archspec_experiments.runs import labels_of
from archspec_runtime.record.folder import Row, read_metrics, read_run
from archspec_runtime.record.source_notes import shown_name

FIRST = ("run", "step", "epoch", "time", "kind", "split")
"""Columns that say what a row is of; those that follow are what was measured, in the order in which they appear."""


def rows_of(runs: Sequence[Path]) -> list[Row]:
    """All rows of these runs, each with the name of its run. Raises RunError where a folder is none of a run."""
    labels = labels_of([(shown_name(run, read_run(run)), run) for run in runs])
    return [{"run": label, **row} for label, run in zip(labels, runs, strict=True) for row in read_metrics(run)]


def written(rows: Iterable[Row], form: str) -> str:
    """The rows as a text: `csv` with a header, in which what a row has not is empty, or `json`, an object a line."""
    rows = list(rows)
    if form == "json":
        return "".join(json.dumps(row) + "\n" for row in rows)
    columns = list(dict.fromkeys([*FIRST, *(key for row in rows for key in row)]))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()

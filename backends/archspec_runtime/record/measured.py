"""What a run has measured: the rows of its metrics that curves and tables can be made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec_runtime.record.folder import Row, lacking, read_metrics

MEASURED: Mapping[str, Mapping[str, Any]] = {
    "train": {"epoch": float | int, "train_error": float | int},
    "eval": {"epoch": float | int, "split": str, "top1_error": float | int},
}
"""What the rows of `metrics.jsonl` have beside their step, by their kind; those of other kinds only tell something."""


def measures(row: Mapping[str, Any]) -> bool:
    """Whether a row of metrics has all that its kind has."""
    kind = row.get("kind")
    return isinstance(kind, str) and lacking(row, MEASURED.get(kind, {})) is None


def read_measured(folder: Path) -> list[Row]:
    """The rows of a run's metrics that curves and tables can be made of."""
    return [row for row in read_metrics(folder) if measures(row)]

"""Rows of metrics as loggers name them: `train/loss`, `val/top1_error`, `train/lr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = ("train", "eval")
"""Rows that loggers are given; what is said of steps that were left out stands in `metrics.jsonl` alone."""


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row by name; without those that are not finite, which are null there."""
    part = row["split"] if row["kind"] == "eval" else "train"
    found = {key: value for key, value in row.items() if isinstance(value, (int, float)) and key != "step"}
    return {f"{part}/{key.removeprefix('train_')}": float(value) for key, value in found.items()}

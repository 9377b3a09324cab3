"""How far a run is, as its folder says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from archspec_runtime.checkpoints import store
from archspec_runtime.errors import CheckpointError
from archspec_runtime.record.folder import Row, read_run
from archspec_runtime.record.measured import read_measured
from archspec_runtime.run.curves import Summary, summarize


class State(StrEnum):
    """Whether a run has begun, and whether it came to its end."""

    absent = "not started"
    cut = "unfinished"
    finished = "finished"


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run, the step of its newest checkpoint, and what it has measured."""

    state: State
    step: int
    rows: list[Row]
    run: dict[str, Any] | None

    def summary(self, label: str) -> Summary:
        """The table's line for the run."""
        return summarize(label, self.rows, self.step)


def progress_of(folder: Path) -> Progress:
    """Read a run's folder. Raises RunError where it holds something else."""
    if not (folder / "run.json").is_file():
        return Progress(State.absent, 0, [], None)
    run, rows = read_run(folder), read_measured(folder)
    try:
        newest = store.newest(folder, None)
    except CheckpointError:  # none of them is whole; the trainer says so when it goes on
        newest = None
    step = int(newest[0].name.removeprefix("step-")) if newest else 0
    recipe = run["job"]["recipe"]
    last = [
        row for row in rows if row["step"] == step and row.get("kind") == "eval"
    ]  # a run ends with an evaluation
    if recipe.get("steps") is not None:
        ended = step >= recipe["steps"] and bool(last)
    else:
        ended = any(row.get("epoch", 0) >= (recipe.get("epochs") or 1) for row in last)
    return Progress(State.finished if step and ended else State.cut, step, rows, run)

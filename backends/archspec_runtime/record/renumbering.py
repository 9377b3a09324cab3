"""Going on with another number of steps in an epoch: a run that is as long as its epochs keeps its place in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec_runtime.record.folder import Row

State = dict[str, Any]


def steps_an_epoch(state: Mapping[str, Any], rows: Sequence[Row], now: int) -> int:
    """How many steps an epoch had when a state was saved; an earlier version says so in its metrics alone."""
    if "per_epoch" in state:
        return int(state["per_epoch"])
    counted = [row["step"] / row["epoch"] for row in rows if row.get("epoch")]
    return max(1, round(counted[-1])) if counted else now


def renumbered(state: State, before: int, now: int) -> State:
    """The state at the same place of the same epoch, counted in steps of which an epoch has `now` and not `before`."""
    schedule = state["schedule"]
    return {
        **state,
        "step": moved(state["step"], before, now),
        "evaluated": moved(state.get("evaluated", 0), before, now),
        "schedule": {**schedule, "began": moved(schedule["began"], before, now)},
        "per_epoch": now,
    }


def moved(step: int, before: int, now: int) -> int:
    """The last whole step that has seen no more of the epochs."""
    return step * now // before

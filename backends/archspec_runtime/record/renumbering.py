"""Going on with another number of steps in an epoch: a run that is as long as its epochs keeps its place in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec_runtime.console import say
from archspec_runtime.processes.world import World
from archspec_runtime.record.folder import Metrics, Row
from archspec_runtime.record.measured import read_measured

State = dict[str, Any]


def in_place(state: State, now: int, metrics: Metrics, world: World) -> State:
    """The state at its place in the epochs, which have `now` steps, with the metrics counted anew as well."""
    folder = metrics.path.parent
    before = int(world.lead(lambda: steps_an_epoch(state, read_measured(folder), now)))
    if before == now:
        return state
    world.lead(lambda: metrics.renumber(before, now))
    found = renumbered(state, before, now)
    if world.leads:
        at, was = f"{state['step'] / before:.4g}", f"{state['step']:,}"
        say(
            f"epochs are of {now:,} steps now, and were of {before:,}: "
            f"the run goes on in epoch {at}, after step {found['step']:,}, which was step {was}"
        )
    return found


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

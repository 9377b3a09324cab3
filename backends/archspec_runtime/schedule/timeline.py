"""The phases of a learning rate as a table."""

from __future__ import annotations

from collections.abc import Sequence

from archspec_runtime.recipe.recipe import Phase
from archspec_runtime.recipe.vocabulary import Measured
from archspec_runtime.schedule.phases import WINDOW, describe


def timeline(phases: Sequence[Phase], end: str, steps_per_epoch: int | None) -> list[str]:
    """The phases as a table to read before a run."""
    rows = [("phase", "lr", "until")]
    for index, phase in enumerate(phases):
        rate = f"{phase.value:g}" if phase.end is None else f"{phase.value:g} to {phase.end:g}, {phase.shape}"
        rows.append((str(index + 1), rate, " or ".join(map(describe, phase.until)) or f"the end, {end}"))
    wide = max(len(rate) for _, rate, _ in rows)
    lines = [f"{number:<5}  {rate:<{wide}}  {until}" for number, rate, until in rows]
    if any(isinstance(c, Measured) and c.metric.startswith("train") for p in phases for c in p.until):
        window = min(WINDOW, steps_per_epoch or WINDOW)
        lines.append(f"   training metrics are means over the last {window} steps")
    return lines

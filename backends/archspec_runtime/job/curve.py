"""The learning rate over a run, as far as it is known before the run."""

from __future__ import annotations

from dataclasses import dataclass

from archspec_runtime.job.job import Job
from archspec_runtime.job.memory import steps_per_epoch, total_steps
from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.recipe import Phase
from archspec_runtime.schedule.phases import Schedule

UNKNOWN = 1_000
"""Steps of an epoch of images that nobody has counted."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Rates at steps that are spread evenly; `guessed` where phases end by what is measured, which is drawn evenly too."""

    steps: tuple[int, ...]
    rates: tuple[float, ...]
    total: int
    guessed: bool


def curve(job: Job, points: int) -> Curve:
    """The rates of a job at so many steps."""
    recipe = job.recipe
    per_epoch = steps_per_epoch(job) or UNKNOWN
    total = total_steps(recipe, per_epoch) or 1
    ends, guessed = _ends(recipe.lr, total, per_epoch)
    steps = [point / (points - 1) * (total - 1) for point in range(points)]
    rates = tuple(_rate(recipe.lr, ends, total, per_epoch, step) for step in steps)
    return Curve(tuple(map(int, steps)), rates, total, guessed)


def _ends(phases: tuple[Phase, ...], total: int, per_epoch: int) -> tuple[list[float], bool]:
    """The step at which each phase ends, those that are not known spread evenly between those that are."""
    known: list[float | None] = []
    for phase in phases:
        steps = [
            c.step if isinstance(c, Step) else c.epoch * per_epoch
            for c in phase.until
            if isinstance(c, (Step, Epoch))
        ]
        known.append(min(min(steps), total) if steps else None)
    known[-1] = total
    ends, before = list[float](), 0.0
    for index, end in enumerate(known):
        following = next(i for i in range(index, len(known)) if known[i] is not None)
        reached = known[following]
        assert reached is not None, "the last end is known"
        before += (reached - before) / (following - index + 1)
        ends.append(end if end is not None else before)
        before = ends[-1]
    return ends, None in known


def _rate(phases: tuple[Phase, ...], ends: list[float], total: int, per_epoch: int, step: float) -> float:
    index = next((i for i, end in enumerate(ends) if step < end), len(ends) - 1)
    schedule = Schedule(phases, total, per_epoch, phase=index, began=int(ends[index - 1]) if index else 0)
    return schedule.lr(int(step))

"""A schedule and the length of its run: what a short run never comes to, and the schedule scaled to another length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.errors import RunError
from archspec_runtime.recipe.images import Epoch, Size, Step
from archspec_runtime.recipe.recipe import Phase, Recipe
from archspec_runtime.recipe.vocabulary import Measured, Plateau
from archspec_runtime.schedule.phases import describe, steps_until

Known = Step | Epoch


def scaled(recipe: Recipe, steps: int, per_epoch: int | None) -> Recipe:
    """The recipe over so many steps, with all that happens at a step or an epoch at the same share of the run.

    Ends of phases, of warm-ups, of image sizes and of mixing, and the beginning of the EMA become steps; what waits for an
    error or for epochs without a lower one stays as it is. `per_epoch` are the steps of an epoch, None where they are not
    known. Raises RunError where they are needed.
    """
    length = recipe.steps if recipe.steps is not None else _steps(Epoch(recipe.epochs or 1), per_epoch)
    if steps == length:
        return replace(recipe, steps=steps, epochs=None)

    def at(end: Known) -> Step:
        return Step(max(1, round(_steps(end, per_epoch) * steps / length)))

    def phase(one: Phase) -> Phase:
        return replace(one, until=tuple(at(c) if isinstance(c, (Step, Epoch)) else c for c in one.until))

    data, ema = recipe.data, recipe.ema
    size = tuple(replace(s, until=at(s.until)) if s.until is not None else s for s in data.size)
    mix = (
        replace(data.mix, until=at(data.mix.until))
        if data.mix is not None and data.mix.until is not None
        else data.mix
    )
    return replace(
        recipe,
        steps=steps,
        epochs=None,
        lr=tuple(map(phase, recipe.lr)),
        data=replace(data, size=size, mix=mix),
        ema=replace(ema, after=at(ema.after)) if ema is not None and ema.after is not None else ema,
    )


def restated(framework: Any, job: Any, restate: Callable[[Any], Any] | None) -> Any:
    """The framework with what `train.py` says of a job whose schedule was scaled; one that somebody may have edited stays."""
    if restate is not None:
        return restate(job)
    if framework.training.ema_decay is not None:
        warn("--scale-schedule leaves ema_decay of train.py as it is")
    return framework


def _steps(end: Known, per_epoch: int | None) -> int:
    if isinstance(end, Epoch) and per_epoch is None:
        raise RunError("the schedule counts epochs, and how many steps one has is not known without the images",
                       "give --data, or leave --scale-schedule out", 2)  # fmt: skip
    return steps_until(end, per_epoch or 1)


def mismatches(recipe: Recipe, total: int, per_epoch: int | None) -> Iterator[str]:
    """What of a schedule a run of so many steps never comes to, or has no more of before it ends, a line each."""
    for index, phase in enumerate(recipe.lr):
        ends = _known_ends(phase, per_epoch)
        measured = any(isinstance(c, (Plateau, Measured)) for c in phase.until) or len(ends) < len(phase.until)
        last = index == len(recipe.lr) - 1
        if ends and min(ends) >= total and not measured and not last:
            until = " or ".join(map(describe, phase.until))
            yield f"the run ends at step {total:,}, before phase {index + 1} of lr does ({until}): {_later(index, recipe.lr)}"
            break
        if ends and min(ends) > total and not measured and phase.end is not None:
            yield f"the run ends at step {total:,}, before lr has come to {phase.end:g} ({describe(phase.until[0])})"
        if last and ends and min(ends) < total:
            rate = phase.value if phase.end is None else phase.end
            yield f"the last phase of lr ends at step {min(ends):,} of {total:,}; its rate stays {rate:g} to the end of the run"
    yield from _unreached_sizes(recipe.data.size, total, per_epoch)
    mix = recipe.data.mix
    if mix is not None and _is_late(mix.until, total, per_epoch):
        yield f"the run ends at step {total:,}, before mixing does ({_told(mix.until)})"
    if recipe.ema is not None and _is_late(recipe.ema.after, total, per_epoch):
        yield f"the run ends at step {total:,}, before the EMA begins ({_told(recipe.ema.after)})"


def unevaluated(every: Step | Epoch, total: int, per_epoch: int | None) -> str | None:
    """What a run says that is evaluated at its end alone, as evaluations are further apart than it is long."""
    if (isinstance(every, Epoch) and per_epoch is None) or steps_until(every, per_epoch or 1) <= total:
        return None
    how_often = f"{every.step:,} steps" if isinstance(every, Step) else f"{every.epoch:,} epochs"
    return f"the run is evaluated at its end alone, step {total:,}: eval_every is {how_often}"


def _unreached_sizes(sizes: Sequence[Size], total: int, per_epoch: int | None) -> Iterator[str]:
    for index, size in enumerate(sizes[:-1]):
        if size.until is not None and _is_late(size.until, total, per_epoch):
            larger = sizes[index + 1].pixels
            yield f"the run ends at step {total:,}, before images of {larger} pixels begin ({_told(size.until)})"
            return


def _is_late(end: Known | None, total: int, per_epoch: int | None) -> bool:
    if end is None or (isinstance(end, Epoch) and per_epoch is None):
        return False
    return steps_until(end, per_epoch or 1) >= total


def _told(end: Known | None) -> str:
    return "" if end is None else describe(end)


def _known_ends(phase: Phase, per_epoch: int | None) -> list[int]:
    return [
        steps_until(c, per_epoch or 1)
        for c in phase.until
        if isinstance(c, Step) or (isinstance(c, Epoch) and per_epoch is not None)
    ]


def _later(index: int, phases: Sequence[Phase]) -> str:
    later = [str(number) for number in range(index + 2, len(phases) + 1)]
    *most, last = later
    return f"phase {last} never begins" if not most else f"phases {', '.join(most)} and {last} never begin"

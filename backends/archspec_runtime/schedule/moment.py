"""A step of a run, as what a `train.py` states of the course of a run is told it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from archspec_runtime.parts import part
from archspec_runtime.recipe.recipe import Recipe


class Moment(NamedTuple):
    """The moment after a step."""

    done: int
    """Steps that have been taken, this one among them."""
    steps_per_epoch: int


Decay = Callable[[Moment], float]
"""The share of itself that the average of the weights keeps at a moment: 1 leaves it as it is, 0 copies the weights."""


def decay_of(training: Any, recipe: Recipe, steps_per_epoch: int) -> Callable[[int], float]:
    """The same of the steps taken, as a `train.py` states it: in a function, or, in an earlier version, its recipe."""
    stated: Decay | None = training.ema_decay
    if stated is None:
        stated = part("archspec_runtime.schedule.averaging", "EMA").decay(recipe.ema)
    return lambda done: stated(Moment(done, steps_per_epoch))

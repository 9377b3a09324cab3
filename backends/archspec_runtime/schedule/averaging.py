"""EMA of the weights as a job says it: how much each step keeps of them."""

from __future__ import annotations

import math

from archspec_runtime.recipe.images import Epoch
from archspec_runtime.recipe.vocabulary import EMA
from archspec_runtime.schedule.moment import Decay


def kept(average: EMA, done: int, steps_per_epoch: int) -> float:
    """The d of average = d average + (1 - d) weights after `done` steps: 1 where the step leaves the average as it is.

    0 until `after`, where the average follows the weights. With `power` it is timm's: the first update copies as well.
    """
    if done % average.every:
        return 1.0
    after = average.after
    begins = 0 if after is None else after.epoch * steps_per_epoch if isinstance(after, Epoch) else after.step
    if done <= begins:
        return 0.0
    if average.power is None:
        return average.decay
    updates = (done - begins - 1) // average.every
    return min(average.decay, 1 - math.pow(1 + updates, -average.power))


def decay(average: EMA) -> Decay:
    """The same as a function of the moment."""
    return lambda at: kept(average, at.done, at.steps_per_epoch)

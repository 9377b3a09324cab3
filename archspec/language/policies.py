"""The models of what a run keeps, and of what it does when something goes wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from archspec.language.base import Model, OneOf, Positive, PositiveReal, fault


class Keep(Model):
    """Which checkpoints stay, and what happens where a disk does not take one."""

    last: Positive = 2
    best: Literal["val_error", "test_error"] | None = None
    every: Positive | None = None
    on_failure: Literal["warn", "stop"] = "warn"


class Stop(Model):
    """The run ends at a loss that is not finite, or above `spike` times the mean before it."""

    spike: PositiveReal | None = None

    @field_validator("spike")
    @classmethod
    def _above_the_mean(cls, value: float | None) -> float | None:
        if value is not None and value <= 1:
            help_ = "give how many times the mean a loss must be to count as a spike, such as 4"
            raise fault("AS604", f"losses above {value:g} times their mean are no spikes", help_)
        return value


class Skip(Stop):
    """The update is left out, at most so often."""

    most: Positive = 10


class RollBack(Stop):
    """The state of the last multiple of `every` steps is taken up again, at most so often."""

    most: Positive = 3
    every: Positive = 1000


class BadLoss(OneOf):
    """What is done about a loss that is not finite, or that is a spike."""

    stop: Stop | None = None
    skip: Skip | None = None
    roll_back: RollBack | None = None

"""The models of what a run keeps, and of what it does when something goes wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from archspec.language.base import Model, OneOf, Positive, PositiveReal, fault


class Keep(Model):
    """Which checkpoints stay, and what happens where a disk does not take one."""

    last: Positive = Field(default=2, description="How many of the newest checkpoints stay.")
    best: Literal["val_error", "test_error"] | None = Field(
        default=None, description="The error whose best checkpoint stays as well."
    )
    every: Positive | None = Field(default=None, description="Steps between checkpoints that always stay.")
    on_failure: Literal["warn", "stop"] = Field(
        default="warn", description="What is done where a checkpoint cannot be written."
    )


class Stop(Model):
    """The run ends at a loss that is not finite, or above `spike` times the mean before it."""

    spike: PositiveReal | None = Field(
        default=None,
        description="How many times the mean before it a loss must be to count as a spike; without it none does.",
    )

    @field_validator("spike")
    @classmethod
    def _above_the_mean(cls, value: float | None) -> float | None:
        if value is not None and value <= 1:
            help_ = "give how many times the mean a loss must be to count as a spike, such as 4"
            raise fault("AS604", f"losses above {value:g} times their mean are no spikes", help_)
        return value


class Skip(Stop):
    """The update is left out, at most so often."""

    most: Positive = Field(default=10, description="How many updates may be skipped before the run stops.")


class RollBack(Stop):
    """The state of the last multiple of `every` steps is taken up again, at most so often."""

    most: Positive = Field(default=3, description="How often the run may roll back before it stops.")
    every: Positive = Field(default=1000, description="Steps between the states that it can roll back to.")


class BadLoss(OneOf):
    """What is done about a loss that is not finite, or that is a spike."""

    stop: Stop | None = Field(default=None, description="Stops the run.")
    skip: Skip | None = Field(default=None, description="Skips the update.")
    roll_back: RollBack | None = Field(
        default=None, description="Restores an earlier state and goes on from there."
    )

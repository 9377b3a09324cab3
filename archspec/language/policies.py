"""The models of what a run keeps, and of what it does when something goes wrong."""

from pydantic import field_validator

from archspec.language.base import Model, OneOf, Positive, PositiveReal, fault
from archspec_runtime.recipe import recipe
from archspec_runtime.recipe import vocabulary as said


class Keep(Model, of=recipe.Keep):
    last: Positive
    best: recipe.Error | None
    every: Positive | None
    on_failure: recipe.Failure


class Stop(Model, of=recipe.Stop):
    spike: PositiveReal | None

    @field_validator("spike")
    @classmethod
    def _above_the_mean(cls, value: float | None) -> float | None:
        if value is not None and value <= 1:
            help_ = "give how many times the mean a loss must be to count as a spike, such as 4"
            raise fault("AS604", f"losses above {value:g} times their mean are no spikes", help_)
        return value


class Skip(Stop, of=said.Skip):
    most: Positive


class RollBack(Stop, of=said.RollBack):
    most: Positive
    every: Positive


class BadLoss(OneOf, of=said.BadLoss):
    """What is done about a loss that is not finite, or that is a spike."""

    stop: Stop | None
    skip: Skip | None
    roll_back: RollBack | None

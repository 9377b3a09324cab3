"""Bad losses: which are not finite or spikes, and what a run does about one: it ends, unless its recipe says otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Outcome
from archspec_runtime.parts import part
from archspec_runtime.recipe.recipe import Stop

if TYPE_CHECKING:
    from archspec_runtime.recipe.vocabulary import BadLoss

SLOWER = "lower the learning rate, warm up, or set clip_norm"
LENIENT = "archspec_runtime.run.bad_loss_policies"


@dataclass(frozen=True, slots=True)
class Bad:
    """A step with a bad loss, and when it was."""

    step: int
    what: str  # and what it has
    phase: int  # of the learning rate, from 0
    lr: float

    def __str__(self) -> str:
        return f"{self.what} step {self.step:,}, in phase {self.phase + 1} of the schedule at lr {self.lr:g}"


class Judge:
    """Judges the loss of each step, and ends the run at a bad one. Only `count` outlives a run; the rest follows from its window.

    What it does is given the loop.
    """

    anchors: int | None = None  # the run may go back to multiples of so many steps
    fallen: Bad | None = None  # why the run has to go back

    def __init__(self, policy: BadLoss) -> None:
        self.policy = policy
        self.count = 0  # updates that were left out, or returns to a checkpoint
        self.limit = math.inf  # of the losses to come
        self.rates: list[tuple[int, float]] = []  # phase and rate of the steps that are not judged yet

    @property
    def bound(self) -> float | None:
        """What a step must know to leave itself out."""
        return None

    def expect(self, mean: float | None) -> None:
        """Set the limit by the mean loss of the steps before, once there are enough."""
        self.limit = math.inf if mean is None or self.policy.spike is None else self.policy.spike * mean

    def split(self, outcomes: Sequence[Outcome], done: int) -> tuple[list[Outcome], list[Bad]]:
        """The good and the bad ones of the last steps, of which `done` is the last."""
        good, bad = list[Outcome](), list[Bad]()
        for step, outcome, rate in zip(
            range(done - len(outcomes) + 1, done + 1), outcomes, self.rates, strict=True
        ):
            what = self.fault(outcome)
            if what is None:
                good.append(outcome)
            else:
                bad.append(Bad(step, what, *rate))
        self.rates.clear()
        return good, bad

    def fault(self, outcome: Outcome) -> str | None:
        """What is wrong with a step; None where nothing is."""
        if not math.isfinite(outcome.loss):
            return f"the loss is {outcome.loss} at"
        if self.policy.spike is not None and outcome.loss > self.limit:
            mean = self.limit / self.policy.spike
            return f"the loss is {outcome.loss:.4g}, more than {self.policy.spike:g} times the mean before it ({mean:.4g}), at"
        return None if outcome.updated else "the gradient is not finite at"

    def meet(self, loop: Any, bad: Bad) -> None:
        """Do about a bad step what the policy says. Raises RunError where the run ends."""
        raise RunError(f"{bad}; {loop.saver.kept()}", SLOWER)

    def meet_weights(self, loop: Any, bad: Bad) -> None:
        """The same for weights that are not finite, which no checkpoint is to have."""
        Judge.meet(self, loop, bad)

    def go_back(self, loop: Any, done: int) -> None:
        """Take up the state of an earlier step as that of this one."""


def judge_of(policy: BadLoss) -> Judge:
    """What judges by a recipe's policy."""
    if isinstance(policy, Stop):
        return Judge(policy)
    found: Judge = part(LENIENT, "leaving steps out and rolling back").judge_of(policy)
    return found

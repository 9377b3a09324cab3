"""Bad losses: which are not finite or spikes, and how often a run has put up with one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.stepper import Outcome
from archspec_runtime.recipe.policies import BadLoss, RollBack, Skip, Stop

SLOWER = "lower the learning rate, warm up, or set clip_norm"


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
    """Judges the loss of each step by the recipe's policy. Only `count` outlives a run; the rest follows from its window."""

    def __init__(self, policy: BadLoss) -> None:
        self.policy = policy
        self.count = 0  # updates that were left out, or returns to a checkpoint
        self.limit = math.inf  # of the losses to come
        self.rates: list[tuple[int, float]] = []  # phase and rate of the steps that are not judged yet
        self.fallen: Bad | None = None  # why the run has to go back

    @property
    def bound(self) -> float | None:
        """What a step must know to leave itself out."""
        return self.limit if isinstance(self.policy, Skip) else None

    @property
    def anchors(self) -> int | None:
        """The run may go back to multiples of so many steps."""
        return self.policy.every if isinstance(self.policy, RollBack) else None

    def expect(self, mean: float | None) -> None:
        """Set the limit by the mean loss of the steps before, once there are enough."""
        self.limit = math.inf if mean is None or self.policy.spike is None else self.policy.spike * mean

    def split(self, outcomes: Sequence[Outcome], done: int) -> tuple[list[Outcome], list[Bad]]:
        """The good and the bad ones of the last steps, of which `done` is the last."""
        good, bad = list[Outcome](), list[Bad]()
        for step, outcome, rate in zip(
            range(done - len(outcomes) + 1, done + 1), outcomes, self.rates, strict=True
        ):
            what = self._fault(outcome)
            if what is None:
                good.append(outcome)
            else:
                bad.append(Bad(step, what, *rate))
        self.rates.clear()
        return good, bad

    def _fault(self, outcome: Outcome) -> str | None:
        if isinstance(self.policy, Skip) and outcome.updated:  # the step has judged for itself
            return None
        if not math.isfinite(outcome.loss):
            return f"the loss is {outcome.loss} at"
        if self.policy.spike is not None and outcome.loss > self.limit:
            mean = self.limit / self.policy.spike
            return f"the loss is {outcome.loss:.4g}, more than {self.policy.spike:g} times the mean before it ({mean:.4g}), at"
        return None if outcome.updated else "the gradient is not finite at"

    def more(self, bad: Bad, kept: Callable[[], str]) -> int:
        """Count another one; gives how many are left. Raises RunError where that was too many."""
        assert not isinstance(self.policy, Stop)
        self.count += 1
        if self.count > self.policy.most:
            most = self.policy.most
            what = (
                f"{most} updates have been left out"
                if isinstance(self.policy, Skip)
                else f"{most} times the run has gone back"
            )
            raise RunError(f"{bad}; {what} already; {kept()}", f"{SLOWER}, or allow more with `most`")
        return self.policy.most - self.count

"""Runs that go on after a bad loss: its update is left out (`skip`), or the run takes up an earlier state (`roll_back`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archspec_runtime.checkpoints import store
from archspec_runtime.checkpoints.saver import Saver, State
from archspec_runtime.checkpoints.store import loop_state
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Outcome, Totals
from archspec_runtime.recipe.vocabulary import RollBack, Skip
from archspec_runtime.run.bad_losses import SLOWER, Bad, Judge

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Stepper


def judge_of(policy: Skip | RollBack) -> Judge:
    """What judges by a policy."""
    return Skipping(policy) if isinstance(policy, Skip) else RollingBack(policy)


class Skipping(Judge):
    """A bad step leaves itself out."""

    policy: Skip

    @property
    def bound(self) -> float | None:
        """What a step must know to leave itself out."""
        return self.limit

    def fault(self, outcome: Outcome) -> str | None:
        """What is wrong with a step that was left out: the others have judged for themselves."""
        return None if outcome.updated else super().fault(outcome)

    def meet(self, loop: Any, bad: Bad) -> None:
        """Say that it was left out."""
        left = more(self, bad, loop, f"{self.policy.most} updates have been left out")
        loop.metrics.append({"kind": "skipped", "step": bad.step, "why": str(bad)})
        loop.progress.say(f"{bad}: its update is left out ({left} more may be)")


class RollingBack(Judge):
    """A run goes back at the next look at its losses."""

    policy: RollBack

    def __init__(self, policy: RollBack) -> None:
        super().__init__(policy)
        self.anchors = policy.every

    def meet(self, loop: Any, bad: Bad) -> None:
        """Remember the first."""
        self.fallen = self.fallen or bad

    def meet_weights(self, loop: Any, bad: Bad) -> None:
        """Go back from them as well."""
        self.fallen = bad

    def go_back(self, loop: Any, done: int) -> None:
        """Take up the state of an earlier step as that of this one."""
        assert self.fallen is not None
        bad, self.fallen = self.fallen, None
        left = more(self, bad, loop, f"{self.policy.most} times the run has gone back")
        state = _back(loop.saver, loop.stepper)
        loop.restore(state)
        loop.tally.pending = Totals()
        for step in range(state["step"] + 1, done):  # phases go on by the number of steps
            loop.schedule.after_step(step, {})
        loop.metrics.append({"kind": "went back", "step": done, "to": state["step"], "why": str(bad)})
        loop.progress.say(
            f"{bad}: the run takes up the state of step {state['step']:,} and goes on after step {done:,} "
            f"({left} more times it may)"
        )


def more(judge: Skipping | RollingBack, bad: Bad, loop: Any, so_far: str) -> int:
    """Count another one; gives how many are left. Raises RunError where that was too many."""
    judge.count += 1
    if judge.count > judge.policy.most:
        raise RunError(f"{bad}; {so_far} already; {loop.saver.kept()}", f"{SLOWER}, or allow more with `most`")
    return judge.policy.most - judge.count


def _back(saver: Saver, stepper: Stepper) -> State:
    """Load the state to go back to; gives its state of the loop with its `step`. Raises RunError where there is none."""
    assert saver.anchors is not None
    every = saver.anchors
    saver.finish()

    def find() -> int:
        found = store.newest(saver.folder, saver.job.fingerprint, every)
        if found is None:
            message = f"there is nothing to go back to: the first checkpoint for that is of step {every:,}"
            raise RunError(message, "let `every` of `roll_back` be less, or lower the learning rate")
        return int(loop_state(found[0])["step"])

    path = store.place(saver.folder, saver.world.lead(find))
    stepper.load(path)
    saver.wanted = True  # or a kill would make the run go back once more
    return loop_state(path)

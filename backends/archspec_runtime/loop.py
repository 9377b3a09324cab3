"""The training loop, the same for every framework: a `Stepper` does the arithmetic, everything else is here."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .batches import Batch, Batches
from .curves import draw_curves
from .datasets.splits import Dataset
from .errors import RunError
from .job import Job, Options
from .judge import SLOWER, Bad, Judge
from .patience import Unanswered
from .progress import Progress
from .recipe_faults import RollBack, Skip, Stop
from .run_folder import Metrics, read_metrics
from .saving import LOG_EVERY, Saver
from .schedule import WINDOW, Schedule
from .signals import Signals
from .stepper import Stepper
from .tally import Tally, Totals
from .world import World


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    folder: Path
    step: int
    exit_code: int
    metrics: dict[str, Any]


@dataclass(slots=True)
class Loop:
    """One run of a job in a folder."""

    job: Job
    options: Options
    folder: Path
    dataset: Dataset
    batches: Batches
    stepper: Stepper
    total: int
    schedule: Schedule
    world: World = field(default_factory=World)
    tally: Tally = field(init=False)
    judge: Judge = field(init=False)
    saver: Saver = field(init=False)

    def __post_init__(self) -> None:
        self.tally = Tally(min(WINDOW, self.batches.per_epoch))
        self.judge = Judge(self.job.recipe.bad_loss)
        anchors = self.judge.anchors
        self.saver = Saver(self.folder, self.job, self.options, self.total, self.world, anchors)

    def run(self) -> Result:
        """Train to the end, or to a signal. Raises RunError where the loss is no good, unless the recipe puts up with that."""
        start = self._resume() if self.options.resume else 0
        metrics = Metrics(self.folder, writes=self.world.leads)
        if start >= self.total:
            if self.world.leads:
                print(f"this run ended at step {start:,}; nothing is left to do")
            return Result(self.folder, start, 0, self.tally.latest)
        silent = not self.world.leads
        with self.saver, Signals() as signals, Progress(self.total, start, silent=silent) as progress:
            begun, counted, done = time.monotonic(), start, start
            for done, batch in enumerate(self._batches(start), start + 1):
                lr = self.schedule.lr(done - 1)
                self.judge.rates.append((self.schedule.phase, lr))
                self.stepper.step(batch, lr, done - 1, self.judge.bound)
                epoch_ends = done % self.batches.per_epoch == 0
                if logged := self._logged(done):
                    self._drain(done, metrics, progress)
                    if self.judge.fallen is not None:
                        self._go_back(done, metrics, progress)
                    now = time.monotonic()
                    speed = (done - counted) * self.batches.size / max(now - begun, 1e-9)
                    self._log(metrics, progress, done, lr, speed)
                    begun, counted = now, done
                if (why := self.schedule.after_step(done, self.tally.measured())) is not None:
                    progress.say(f"step {done:,}: a phase of lr ends ({why}); lr is now {self.schedule.lr(done):g}")
                if done == self.total or (
                    epoch_ends and (done // self.batches.per_epoch) % self.options.eval_every == 0
                ):
                    self._evaluate(metrics, progress, done, epoch_ends)
                    begun = time.monotonic()
                due = int(self.saver.due(done, epoch_ends, self.tally.errors_at(done)) or self.saver.failed)
                stop = signals.received
                if logged or self.world.each_step:  # a signal may have reached some processes only
                    stop, due = self.world.highest(stop, due)
                else:
                    stop = 0
                if due or stop:
                    self._save(done, metrics, progress)
                    begun, counted = time.monotonic(), done
                if stop:
                    return self._stopped(done, stop, progress)
            if done < self.total:
                if done > start:
                    self._save(done, metrics, progress)
                return self._stopped(done, signals.received, progress)
            saved = self.saver.finish() == self.total  # or a run with nothing to show for itself would look well
            if (best := self.saver.described_best()) is not None:
                progress.say(best)
        self.world.lead(self._draw)
        return Result(self.folder, self.total, 0 if saved else 1, self.tally.latest)

    def _logged(self, done: int) -> bool:
        """Where losses are looked at, whatever the clock says and signals ask for."""
        return done % LOG_EVERY == 0 or done % self.batches.per_epoch == 0 or done == self.total

    def _batches(self, start: int) -> Iterator[Batch]:
        """The batches of the steps that are left, or fewer where a signal came while a disk did not answer."""
        try:
            yield from self.batches.run(start, self.total)
        except Unanswered as error:
            if self.world.size > 1:  # which has to take its steps together
                raise
            print(f"warning: {error.message}", file=sys.stderr)

    def _stopped(self, done: int, code: int, progress: Progress) -> Result:
        self.saver.finish()
        progress.say(f"stopped after step {done:,}; go on with --resume")
        return Result(self.folder, done, code, self.tally.latest)

    def _draw(self) -> int:
        try:
            draw_curves([(self.job.name, read_metrics(self.folder))],
                        [self.folder / "curves.png", self.folder / "curves.svg"], self.job.name)  # fmt: skip
        except OSError as error:
            print(f"warning: no curves in {self.folder}: {error.strerror}", file=sys.stderr)
        return 0

    def _drain(self, done: int, metrics: Metrics, progress: Progress) -> None:
        good, bad = self.judge.split(self.stepper.drain(), done)
        for outcome in good:
            self.tally.pending.add(outcome, self.batches.size)
        for found in bad:
            self._judged(found, metrics, progress)

    def _judged(self, bad: Bad, metrics: Metrics, progress: Progress) -> None:
        """Do with a loss that is no good as the recipe says."""
        match self.job.recipe.bad_loss:
            case Stop():
                raise RunError(f"{bad}; {self.saver.kept()}", SLOWER)
            case Skip():
                left = self.judge.more(bad, self.saver.kept)
                metrics.append({"kind": "skipped", "step": bad.step, "why": str(bad)})
                progress.say(f"{bad}: its update is left out ({left} more may be)")
            case RollBack():
                self.judge.fallen = self.judge.fallen or bad

    def _go_back(self, done: int, metrics: Metrics, progress: Progress) -> None:
        """Take up the state of an earlier step as that of this one."""
        assert self.judge.fallen is not None
        bad, self.judge.fallen = self.judge.fallen, None
        left = self.judge.more(bad, self.saver.kept)
        state = self.saver.back(self.stepper)
        self._restore(state)
        self.tally.pending = Totals()
        for step in range(state["step"] + 1, done):  # phases go on by the number of steps
            self.schedule.after_step(step, {})
        metrics.append({"kind": "went back", "step": done, "to": state["step"], "why": str(bad)})
        progress.say(f"{bad}: the run takes up the state of step {state['step']:,} and goes on after step {done:,} "
                     f"({left} more times it may)")  # fmt: skip

    def _log(self, metrics: Metrics, progress: Progress, done: int, lr: float, speed: float) -> None:
        sums = self.tally.close()
        if sums is None:
            return
        self._expect()
        loss, error = sums.loss / sums.steps, 100.0 * sums.errors / sums.samples
        metrics.append({"kind": "train", "step": done, "epoch": done / self.batches.per_epoch, "loss": loss,
                        "train_error": error, "lr": lr, "images_per_second": speed})  # fmt: skip
        progress.train(done, loss, error, lr, speed)

    def _evaluate(self, metrics: Metrics, progress: Progress, done: int, epoch_ends: bool) -> None:
        names = [*(["val"] if self.dataset.validation is not None else []), "test"]
        for name in names:
            result = self.stepper.evaluate(name)
            self.tally.evaluation(name, result, done)
            metrics.append({"kind": "eval", "step": done, "epoch": done / self.batches.per_epoch, "split": name,
                            "loss": result.loss, "top1_error": result.top1_error, "top5_error": result.top5_error})  # fmt: skip
            progress.test(done, name, result.top1_error)
        error = self.tally.latest[names[0]]
        if epoch_ends and (why := self.schedule.after_epoch(done, error, self.options.eval_every)) is not None:
            progress.say(f"step {done:,}: a phase of lr ends ({why}); lr is now {self.schedule.lr(done):g}")

    def _save(self, done: int, metrics: Metrics, progress: Progress) -> None:
        if not self._logged(done):
            self._drain(done, metrics, progress)
        if self.judge.fallen is not None:  # what stands is older, and the next logged step goes back
            return
        if self.saver.save(self.stepper, done, self._state(), self.tally.errors_at(done)):
            return
        bad = Bad(done, "the weights are not finite after", self.schedule.phase, self.schedule.lr(done - 1))
        if not isinstance(self.job.recipe.bad_loss, RollBack):
            raise RunError(f"{bad}; {self.saver.kept()}", SLOWER)
        self.judge.fallen = bad
        if self._logged(done):
            self._go_back(done, metrics, progress)
            self.saver.save(self.stepper, done, self._state())

    def _state(self) -> dict[str, Any]:
        return {"schedule": self.schedule.state(), **self.tally.state(), "bad": self.judge.count}

    def _restore(self, state: dict[str, Any]) -> None:
        self.schedule.restore(state["schedule"])
        self.tally.restore(state)
        self._expect()

    def _expect(self) -> None:
        self.judge.expect(self.tally.measured().get("train_loss"))

    def _resume(self) -> int:
        state = self.saver.resume(self.stepper)
        if state is None:
            return 0
        self._restore(state)
        self.judge.count = state.get("bad", 0)
        step: int = state["step"]
        return step

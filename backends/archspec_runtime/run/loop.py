"""The training loop, the same for every framework: a `Stepper` does the arithmetic, everything else is here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec_runtime.batches.order import Batch, Batches
from archspec_runtime.checkpoints.saver import LOG_EVERY, MORE_ROOM, Saver
from archspec_runtime.checkpoints.store import place, reading
from archspec_runtime.console import tell, warn
from archspec_runtime.data.splits import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Tally
from archspec_runtime.job.job import Job, Options
from archspec_runtime.job.out_of_memory import is_out_of_memory
from archspec_runtime.parts import extra, part
from archspec_runtime.processes.signals import Asked, Signals, Unanswered
from archspec_runtime.processes.world import Answer, World
from archspec_runtime.recipe.images import Epoch
from archspec_runtime.record.folder import Log, Metrics
from archspec_runtime.record.identity import Identity
from archspec_runtime.run.bad_losses import Bad, Judge, judge_of
from archspec_runtime.run.progress import SLOW_STEP, Meter, Progress, said_if_slow
from archspec_runtime.schedule.phases import WINDOW, Schedule, steps_until

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Stepper


def nothing() -> list[int]:
    """The answer where nothing was asked: no signal, no failure."""
    return [0, 0]


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
    identity: Identity | None = None  # of the run; None where an earlier version began it
    log: Log | None = None  # what is given each row of metrics as well
    compiles: bool = False  # while the first steps are taken
    tally: Tally = field(init=False)
    judge: Judge = field(init=False)  # of losses
    saver: Saver = field(init=False)
    metrics: Metrics = field(init=False)
    progress: Progress = field(init=False)  # of the steps that are left, so from `run` on
    meter: Meter = field(init=False)
    heard: Answer = nothing  # to what the processes have asked each other last
    looked: bool = False  # at what came of the first steps, which may be dispatched then
    owed: bool = False  # an evaluation after the step that the run was resumed at

    def __post_init__(self) -> None:
        self.tally = Tally(min(WINDOW, self.batches.per_epoch))
        self.judge = judge_of(self.job.recipe.bad_loss)
        anchors = self.judge.anchors
        self.saver = Saver(self.folder, self.job, self.options, self.total, self.world, anchors, self.identity)
        self.metrics = Metrics(self.folder, writes=self.world.leads, log=self.log)

    def run(self) -> Result:
        """Train to the end, or to a signal. Raises RunError at a bad loss, unless the recipe says otherwise."""
        start = self._resume() if self.options.resume else 0
        if start >= self.total and not self.owed:
            if self.world.leads:
                tell(f"this run ended at step {start:,}; nothing is left to do")
            return Result(self.folder, start, 0, self.tally.latest)
        self.progress = Progress(self.total, start, LOG_EVERY, silent=not self.world.leads)
        self.meter = Meter(self.batches.size, start)
        with self.saver, Signals() as signals, self.progress:
            done, signal = self._train(start, signals)
            saved = self.saver.finish()
            if signal or done < self.total:
                self.progress.say(f"stopped after step {done:,}")
                return Result(self.folder, done, signal, self.tally.latest)
            if (best := self.saver.described_best()) is not None:
                self.progress.say(best)
        self.world.lead(self._draw)
        if saved < self.total:  # a run that has nothing to show for itself would look well
            stands = f"the checkpoint of step {saved:,} stands" if saved else "there is no checkpoint"
            raise RunError(f"the last step, {self.total:,}, could not be saved; {stands}", MORE_ROOM)
        return Result(self.folder, self.total, 0, self.tally.latest)

    def _train(self, start: int, signals: Signals) -> tuple[int, int]:
        """Take the steps that are left; gives the last that was taken, and the signal that made it the last or 0."""
        done = start
        if self.owed:
            self.saver.wanted = True
            if signal := self._evaluate(start) or self._save_where_due(start, signals):
                return start, signal
        for done, batch in enumerate(self._batches(start), start + 1):
            lr = self.schedule.lr(done - 1)
            self.judge.rates.append((self.schedule.phase, lr))
            (self.stepper.step if self.looked else self._first_step)(batch, lr, done - 1, self.judge.bound)
            if done == start + 1 and not self._logged(done):  # which had to be compiled
                self.meter.pause(done)
                self.progress.begin(done)
            if done <= start + 2 and not self._logged(done):
                self.progress.first_steps(done)
            if self._logged(done):
                with nullcontext() if self.looked else self._compiling():
                    self._look(done, lr)
                self.looked = True
            if (why := self.schedule.after_step(done, self.tally.measured())) is not None:
                self._say_phase(done, why)
            if (done == self.total or self._evaluates(done)) and (signal := self._evaluate(done)):
                return done, signal
            if signal := self._save_where_due(done, signals):
                return done, signal
        if start < done < self.total:
            self._save(done)
        return done, 0 if done == self.total else signals.received

    def _first_step(self, *given: Any) -> None:
        """A step that may have to be compiled, which is said where it takes long."""
        with self._compiling():
            self.stepper.step(*given)

    def _compiling(self) -> AbstractContextManager[None]:
        what = "compiling the training step" if self.compiles else "taking the first steps"
        return said_if_slow(what, SLOW_STEP, silent=not self.world.leads, by=self.progress.say_once)

    def _epoch(self, done: int) -> float:
        return done / self.batches.per_epoch

    def _epoch_ends(self, done: int) -> bool:
        return done % self.batches.per_epoch == 0

    def _evaluates(self, done: int) -> bool:
        return done % steps_until(self.job.recipe.eval_every, self.batches.per_epoch) == 0

    def _logged(self, done: int) -> bool:
        """Where losses are looked at, whatever the clock says and signals ask for."""
        return done % LOG_EVERY == 0 or self._epoch_ends(done) or done == self.total

    def _batches(self, start: int) -> Iterator[Batch]:
        """The batches of the steps that are left, or fewer where a signal came while a disk did not answer."""
        try:
            yield from self.batches.run(start, self.total)
        except Unanswered as error:
            if self.world.size > 1:  # which has to take its steps together
                raise
            warn(error.message)

    def _draw(self) -> int:
        try:
            if (curves := extra("archspec_runtime.run.curves")) is not None:
                curves.draw_run(self.folder, self.job.name)
        except (OSError, ImportError, MemoryError) as error:
            why = "out of memory" if is_out_of_memory(error) else getattr(error, "strerror", None) or error
            warn(f"no curves in {self.folder}: {why}")
        return 0

    def _look(self, done: int, lr: float) -> None:
        """See what came of the steps since the last look, and say it."""
        self._drain(done)
        if self.judge.fallen is not None:
            self.judge.go_back(self, done)
        speed = self.meter.read(done)
        sums = self.tally.close()
        if sums is None:
            return
        self._expect()
        loss, error = sums.loss / sums.steps, 100.0 * sums.errors / sums.samples
        self.metrics.append({"kind": "train", "step": done, "epoch": self._epoch(done), "loss": loss,
                             "train_error": error, "lr": lr, "images_per_second": speed, **sums.of_outputs()})  # fmt: skip
        self.progress.train(done, loss, error, lr, speed)

    def _drain(self, done: int) -> None:
        good, bad = self.judge.split(self.stepper.drain(), done)
        for outcome in good:
            self.tally.pending.add(outcome, self.batches.size)
        for found in bad:
            self.judge.meet(self, found)

    def _evaluate(self, done: int) -> int:
        """Measure the splits; gives the signal that came meanwhile, the same in all processes, or 0.

        A checkpoint is written before a long evaluation, and after one that was broken off, which is then owed.
        """
        names = [*(["val"] if self.dataset.validation is not None else []), "test"]
        long = sum(len(self.dataset.split(name)) for name in names) > LOG_EVERY * self.batches.size
        if long and not self.owed:
            self._save(done, owed=True)
            self.saver.wanted = True  # once more, with what will have been measured
        try:
            results = {name: self.stepper.evaluate(name) for name in names}
        except (Asked, Unanswered) as error:
            if isinstance(error, Unanswered) and self.world.size > 1:
                raise
            if not (long or self.owed):
                self._save(done, owed=True)
            return error.exit_code
        self.owed = False
        for name, result in results.items():
            self.tally.evaluation(name, result, done)
            if self.dataset.val_is_test:
                self.tally.evaluation("val", result, done)
            self.metrics.append({"kind": "eval", "step": done, "epoch": self._epoch(done), "split": name,
                                 "loss": result.loss, "top1_error": result.top1_error,
                                 "top5_error": result.top5_error})  # fmt: skip
        self.progress.test(done, {name: self.tally.latest[name] for name in names})
        watched = self.tally.latest[
            "val" if self.schedule.plateau_of == "val_error" and self.dataset.validates else "test"
        ]
        every = self.job.recipe.eval_every
        epochs = every.epoch if isinstance(every, Epoch) else every.step / self.batches.per_epoch
        if self._evaluates(done) and (why := self.schedule.after_evaluation(done, watched, epochs)) is not None:
            self._say_phase(done, why)
        self.meter.pause(done)
        return 0

    def _say_phase(self, done: int, why: str) -> None:
        if done < self.total:
            self.progress.say(f"step {done:,}: a phase of lr ends ({why}); lr is now {self.schedule.lr(done):g}")

    def _save_where_due(self, done: int, signals: Signals) -> int:
        """Write a checkpoint where it is time for one; gives the signal to end at, the same in all processes, or 0."""
        due = int(self.saver.due(done, self._epoch_ends(done), self.tally.errors_at(done)))
        # a signal may have reached some processes only, and one alone knows that writing failed: all act on it together, where
        # the loop waits for its device anyway, or by what they asked each other after the step before
        stop, failed = self.heard()
        self.heard = nothing
        if self._logged(done) or self.world.peers is None:
            stop, due = self.world.highest(max(stop, signals.received), int(due or failed or self.saver.failed))
        elif self.world.each_step:
            due = due or failed  # what else is due between logged steps is so in all processes
            self.heard = self.world.ask(signals.received, int(self.saver.failed))
        if due or stop:
            self._save(done)
            self.meter.pause(done)
        return stop

    def _save(self, done: int, *, owed: bool = False) -> None:
        if not self._logged(done):
            self._drain(done)
        if self.judge.fallen is not None:  # what stands is older, and the next logged step goes back
            return
        if self.saver.save(self.stepper, done, self._state(owed), self.tally.errors_at(done)):
            return
        self.judge.meet_weights(
            self, Bad(done, "the weights are not finite after", self.schedule.phase, self.schedule.lr(done - 1))
        )
        if self._logged(done):
            self.judge.go_back(self, done)
            self.saver.save(self.stepper, done, self._state(owed))

    def _state(self, owed: bool) -> dict[str, Any]:
        at = {"schedule": self.schedule.state(), "per_epoch": self.batches.per_epoch}
        return {**at, **self.tally.state(), "bad": self.judge.count, "owed": owed}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        with reading(place(self.folder, state["step"]) / "loop.json"):
            self.schedule.restore(state["schedule"])
            self.tally.restore(state)
            self._expect()

    def _expect(self) -> None:
        self.judge.expect(self.tally.measured().get("train_loss"))

    def _resume(self) -> int:
        state = self.saver.resume(self.stepper)
        if state is None:
            return 0
        state = self._in_place(state)
        self.restore(state)
        self.judge.count = state.get("bad", 0)
        self.owed = bool(state.get("owed"))
        step: int = state["step"]
        return step

    def _in_place(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state at its place in the epochs, where these have another number of steps now and decide how long the run is."""
        now = self.batches.per_epoch
        if self.job.recipe.epochs is None or state.get("per_epoch") == now:
            return state
        moved = part("archspec_runtime.record.renumbering", "going on with another number of images")
        found: dict[str, Any] = moved.in_place(state, now, self.metrics, self.world)
        self.saver.wanted |= found is not state  # its number is that of no checkpoint before
        return found

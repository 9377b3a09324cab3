"""The training loop, the same for every framework: a `Stepper` does the arithmetic, everything else is here."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .batches import Batch, Batches
from .curves import draw_curves
from .datasets.splits import Dataset
from .errors import RunError
from .job import Job, Options
from .patience import Unanswered
from .progress import Progress
from .run_folder import Metrics, read_metrics
from .saving import LOG_EVERY, SLOWER, Saver
from .schedule import WINDOW, Schedule
from .signals import Signals
from .stepper import Stepper, Totals
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
    pending: Totals = field(default_factory=Totals)
    window: deque[tuple[int, int, int, float]] = field(default_factory=deque)
    latest: dict[str, Any] = field(default_factory=dict)
    saver: Saver = field(init=False)

    def __post_init__(self) -> None:
        self.saver = Saver(self.folder, self.job, self.options, self.total, self.world)

    def run(self) -> Result:
        """Train to the end, or to a signal. Raises RunError where the loss is not finite."""
        start = self._resume() if self.options.resume else 0
        metrics = Metrics(self.folder, writes=self.world.leads)
        if start >= self.total:
            if self.world.leads:
                print(f"this run ended at step {start:,}; nothing is left to do")
            return Result(self.folder, start, 0, self.latest)
        silent = not self.world.leads
        with self.saver, Signals() as signals, Progress(self.total, start, silent=silent) as progress:
            begun, counted, done = time.monotonic(), start, start
            for done, batch in enumerate(self._batches(start), start + 1):
                lr = self.schedule.lr(done - 1)
                self.stepper.step(batch, lr, done - 1)
                epoch_ends = done % self.batches.per_epoch == 0
                logged = done % LOG_EVERY == 0 or epoch_ends or done == self.total
                if logged:
                    self._drain(done, lr)
                    now = time.monotonic()
                    speed = (done - counted) * self.batches.size / max(now - begun, 1e-9)
                    self._log(metrics, progress, done, lr, speed)
                    begun, counted = now, done
                measured = self._measured()
                if (why := self.schedule.after_step(done, measured)) is not None:
                    progress.say(f"step {done:,}: a phase of lr ends ({why}); lr is now {self.schedule.lr(done):g}")
                if done == self.total or (
                    epoch_ends and (done // self.batches.per_epoch) % self.options.eval_every == 0
                ):
                    self._evaluate(metrics, progress, done, epoch_ends)
                    begun = time.monotonic()
                stop, due = signals.received, int(self.saver.due(done, epoch_ends) or self.saver.failed)
                if logged or self.world.each_step:  # a signal may have reached some processes only
                    stop, due = self.world.highest(stop, due)
                else:
                    stop = 0
                if due or stop:
                    self._save(done)
                    begun, counted = time.monotonic(), done
                if stop:
                    return self._stopped(done, stop, progress)
            if done < self.total:
                if done > start:
                    self._save(done)
                return self._stopped(done, signals.received, progress)
            saved = self.saver.finish() == self.total  # or a run with nothing to show for itself would look well
        self.world.lead(self._draw)
        return Result(self.folder, self.total, 0 if saved else 1, self.latest)

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
        return Result(self.folder, done, code, self.latest)

    def _draw(self) -> int:
        try:
            draw_curves([(self.job.name, read_metrics(self.folder))],
                        [self.folder / "curves.png", self.folder / "curves.svg"], self.job.name)  # fmt: skip
        except OSError as error:
            print(f"warning: no curves in {self.folder}: {error.strerror}", file=sys.stderr)
        return 0

    def _drain(self, done: int, lr: float) -> None:
        totals = self.stepper.drain()
        if not math.isfinite(totals.loss):
            phase = self.schedule.phase + 1
            raise RunError(
                f"the loss is {totals.loss} by step {done:,}, in phase {phase} of the schedule at lr {lr:g}; {self.saver.kept()}",
                SLOWER,
            )
        self.pending.add(totals)

    def _measured(self) -> dict[str, float]:
        """Training metrics over the window once it is full, and the last evaluations."""
        found = {f"{k}_error": v for k, v in self.latest.items() if k in ("val", "test")}
        steps = sum(w[0] for w in self.window)
        if steps >= min(WINDOW, self.batches.per_epoch):
            found["train_error"] = 100.0 * sum(w[2] for w in self.window) / sum(w[1] for w in self.window)
            found["train_loss"] = sum(w[3] for w in self.window) / steps
        return found

    def _log(self, metrics: Metrics, progress: Progress, done: int, lr: float, speed: float) -> None:
        sums, self.pending = self.pending, Totals()
        if not sums.steps:
            return
        # the window changes here and nowhere else: checkpoints and signals drain too, and must not move the end of a phase
        self.window.append((sums.steps, sums.samples, sums.errors, sums.loss))
        length = min(WINDOW, self.batches.per_epoch)
        while sum(w[0] for w in self.window) - self.window[0][0] >= length:
            self.window.popleft()
        loss, error = sums.loss / sums.steps, 100.0 * sums.errors / sums.samples
        self.latest |= {"loss": loss, "train": error}
        metrics.append({"kind": "train", "step": done, "epoch": done / self.batches.per_epoch, "loss": loss,
                        "train_error": error, "lr": lr, "images_per_second": speed})  # fmt: skip
        progress.train(done, loss, error, lr, speed)

    def _evaluate(self, metrics: Metrics, progress: Progress, done: int, epoch_ends: bool) -> None:
        names = [*(["val"] if self.dataset.validation is not None else []), "test"]
        for name in names:
            result = self.stepper.evaluate(name)
            self.latest[name] = result.top1_error
            metrics.append({"kind": "eval", "step": done, "epoch": done / self.batches.per_epoch, "split": name,
                            "loss": result.loss, "top1_error": result.top1_error, "top5_error": result.top5_error})  # fmt: skip
            progress.test(done, name, result.top1_error)
        if (
            epoch_ends
            and (why := self.schedule.after_epoch(done, self.latest[names[0]], self.options.eval_every)) is not None
        ):
            progress.say(f"step {done:,}: a phase of lr ends ({why}); lr is now {self.schedule.lr(done):g}")

    def _save(self, done: int) -> None:
        if done % LOG_EVERY:
            self._drain(done, self.schedule.lr(done - 1))
        self.saver.save(self.stepper, done, {
            "schedule": self.schedule.state(),
            "pending": [self.pending.steps, self.pending.samples, self.pending.loss, self.pending.errors],
            "window": list(self.window),
            "latest": dict(self.latest),
        })  # fmt: skip

    def _resume(self) -> int:
        state = self.saver.resume(self.stepper)
        if state is None:
            return 0
        self.schedule.restore(state["schedule"])
        self.pending = Totals(*state["pending"])
        self.window = deque((a, b, c, d) for a, b, c, d in state["window"])
        self.latest = state["latest"]
        step: int = state["step"]
        return step

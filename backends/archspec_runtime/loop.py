"""The training loop, the same for every framework: a `Stepper` does the arithmetic, everything else is here."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.numpy import load

from . import checkpoints
from .batches import Batch, Batches
from .changes import changes
from .curves import draw_curves
from .datasets.splits import Dataset
from .errors import RunError
from .job import Job, Options
from .progress import Progress
from .run_folder import Metrics, read_metrics
from .schedule import WINDOW, Schedule
from .signals import Signals
from .world import World

LOG_EVERY = 20  # steps; between them nothing waits for the device
MINUTE = 60.0
SLOWER = "lower the learning rate, warm up, or set clip_norm"


@dataclass(slots=True)
class Totals:
    """Sums over some steps."""

    steps: int = 0
    samples: int = 0
    loss: float = 0.0  # of the means of the steps
    errors: int = 0

    def add(self, other: Totals) -> None:
        """Add the sums of more steps."""
        self.steps += other.steps
        self.samples += other.samples
        self.loss += other.loss
        self.errors += other.errors


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over a split; errors in percent, `top5_error` None for five classes or fewer."""

    loss: float
    top1_error: float
    top5_error: float | None
    samples: int

    def as_text(self) -> dict[str, str]:
        """What was measured by name, as people read it."""
        five = {} if self.top5_error is None else {"top-5 error": f"{self.top5_error:.2f}%"}
        return {
            "loss": f"{self.loss:.4f}",
            "top-1 error": f"{self.top1_error:.2f}%",
            **five,
            "images": f"{self.samples:,}",
        }


class Stepper(Protocol):
    """A model with its optimizer, on one device or on many; all processes of a world make the same calls in one order."""

    def step(self, batch: Batch, lr: float, number: int) -> None:
        """Take one optimizer step, of which this process is given its share, without waiting for its result."""

    def drain(self) -> Totals:
        """Wait, and give the sums since the last call, over all processes."""

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split, every sample once."""

    def snapshot(self) -> Mapping[str, bytes]:
        """All state as files, by name; nothing where another process leads. It does not say how many processes there are."""

    def load(self, folder: Path) -> None:
        """Read the files of `snapshot`."""


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
    saved_at: float = 0.0
    saved_step: int = -1

    def run(self) -> Result:
        """Train to the end, or to a signal. Raises RunError where the loss is not finite."""
        start = self._resume() if self.options.resume else 0
        metrics = Metrics(self.folder, writes=self.world.leads)
        if start >= self.total:
            if self.world.leads:
                print(f"this run ended at step {start:,}; nothing is left to do")
            return Result(self.folder, start, 0, self.latest)
        self.saved_at = time.monotonic()
        with Signals() as signals, Progress(self.total, start, silent=not self.world.leads) as progress:
            begun, counted = time.monotonic(), start
            for done, batch in enumerate(self.batches.run(start, self.total), start + 1):
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
                stop, due = signals.received, int(self._due(done, epoch_ends))
                if (
                    logged or self.world.each_step
                ):  # clocks differ, and a signal may have reached some processes only
                    stop, due = self.world.highest(stop, due)
                else:
                    stop = 0
                if due or stop:
                    self._save(done)
                    begun, counted = time.monotonic(), done
                if stop:
                    progress.say(f"stopped after step {done:,}; go on with --resume")
                    return Result(self.folder, done, stop, self.latest)
        self.world.lead(self._draw)
        saved = self.saved_step == self.total  # or a run that has nothing to show for itself would look well
        return Result(self.folder, self.total, 0 if saved else 1, self.latest)

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
                f"the loss is {totals.loss} by step {done:,}, in phase {phase} of the schedule at lr {lr:g}; {self._kept()}",
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

    def _due(self, done: int, epoch_ends: bool) -> bool:
        if done == self.total:
            return True
        if self.options.checkpoint_every is not None:
            return done % self.options.checkpoint_every == 0
        return (epoch_ends or done % LOG_EVERY == 0) and time.monotonic() - self.saved_at >= MINUTE

    def _save(self, done: int) -> None:
        totals_due = done % LOG_EVERY != 0
        if totals_due:
            self._drain(done, self.schedule.lr(done - 1))
        files = self.stepper.snapshot()
        if self.world.lead(lambda: self._write(files, done)):
            self.saved_step = done
        self.saved_at = time.monotonic()

    def _write(self, files: Mapping[str, bytes], done: int) -> bool:
        self._check(files["weights.safetensors"], done)

        def write(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).write_bytes(content)
            state = {
                "step": done,
                "schedule": self.schedule.state(),
                "pending": [self.pending.steps, self.pending.samples, self.pending.loss, self.pending.errors],
                "window": list(self.window),
                "latest": self.latest,
                "job": self.job.to_dict(),
                "processes": self.world.size,
            }
            (folder / "loop.json").write_text(json.dumps(state), encoding="utf-8")

        return checkpoints.save(self.folder, done, self.job.fingerprint, write) is not None

    def _check(self, weights: bytes, done: int) -> None:
        """The loss of a step is that of the weights before it, so it says nothing of those that are saved."""
        if not all(np.isfinite(tensor).all() for tensor in load(weights).values()):
            raise RunError(f"the weights are not finite after step {done:,}; {self._kept()}", SLOWER)

    def _kept(self) -> str:
        kept = f"the checkpoint of step {self.saved_step:,} stands"
        return kept if self.saved_step >= 0 else "there is no checkpoint yet"

    def _resume(self) -> int:
        step = self.world.lead(self._newest)
        if not step:
            return 0
        path = checkpoints.place(self.folder, step)
        state = json.loads((path / "loop.json").read_text(encoding="utf-8"))
        self.stepper.load(path)
        self.schedule.restore(state["schedule"])
        self.pending = Totals(*state["pending"])
        self.window = deque((a, b, c, d) for a, b, c, d in state["window"])
        self.latest = state["latest"]
        self.saved_step = step
        return step

    def _newest(self) -> int:
        """The step to go on from, with the metrics as they were then; 0 where there is no checkpoint."""
        found = checkpoints.newest(self.folder, self.job.fingerprint)
        step = 0
        if found is not None:
            state = json.loads((found[0] / "loop.json").read_text(encoding="utf-8"))
            self._compare(state["job"]["recipe"], found[0])
            step = int(state["step"])
        Metrics(self.folder).rewind(step)
        return step

    def _compare(self, before: dict[str, Any], path: Path) -> None:
        changed = changes(before, self.job.recipe)
        if changed and not self.options.override:
            listed = "\n  ".join(changed)
            raise RunError(f"{path} was trained by another recipe:\n  {listed}", "--override resumes all the same")

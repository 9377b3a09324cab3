"""The checkpoints of a run as it goes: when they are due, written behind the steps, and where a resumed run begins."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from archspec_runtime.checkpoints import store
from archspec_runtime.checkpoints.store import SETS, loop_state
from archspec_runtime.console import warn
from archspec_runtime.errors import OtherNetError, RunError
from archspec_runtime.job.job import Job, Options
from archspec_runtime.parts import extra
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.recipe import compared
from archspec_runtime.record.folder import Metrics
from archspec_runtime.record.identity import Identity, tagged

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Snapshot, Stepper

SILENCE = 60.0  # seconds that a write is waited for before it is said
PATIENCE = 900.0  # and after which it is waited no longer


class Writer:
    """Runs one action at a time beside the steps."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._what = ""
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether an action is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether `wait` would raise what an action raised."""
        return self._error is not None

    def start(self, action: Callable[[], object], what: str) -> None:
        """Begin an action, when the one before is done; `what` names it. Raises what the one before raised."""
        self.wait()

        def run() -> None:
            try:
                action()
            except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                self._error = error

        self._what = what
        # a daemon: a disk that never answers must not keep a run from ending
        self._thread = threading.Thread(target=run, name=what, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the action that is under way. Raises what it raised, and RunError where it takes too long."""
        begun = time.monotonic()
        while self.busy:
            assert self._thread is not None
            self._thread.join(SILENCE)
            if self.busy:
                self._patience(time.monotonic() - begun)
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _patience(self, seconds: float) -> None:
        message = f"{self._what} has been written for {seconds:.0f} seconds and is not done"
        if seconds > PATIENCE:
            self._thread = None
            raise RunError(message, "see whether its disk answers, and go on with --resume")
        warn(f"{message}; waiting for the disk")


LOG_EVERY = 20  # steps; between them nothing waits for the device
MINUTE = 60.0
MORE_ROOM = "free some space, or see to its permissions, as the warning says; then go on with --resume"
State = dict[str, Any]
NOTHING: Mapping[str, float] = {}


class Saver:
    """Saves a run while the steps go on, one checkpoint at a time; all processes of a world make the same calls.

    A step waits for a copy of the state alone. What goes wrong while it is written is raised by the next `save` or `finish`.
    With `anchors`, a run may return to the last multiple of so many steps.
    """

    def __init__(
        self, folder: Path, job: Job, options: Options, total: int, world: World, anchors: int | None = None,
        identity: Identity | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.job = job
        self.options = options
        self.total = total
        self.world = world
        self.writer = Writer()
        self.begun = time.monotonic()  # when the last checkpoint was
        self.saved = 0  # the step of the newest that stands
        self.keep = job.recipe.keep
        self.anchors = anchors
        self.identity = identity
        self.wanted = False  # whatever the clock says
        self.best = math.inf  # the lowest of the metric that `keep.best` names

    def __enter__(self) -> Saver:
        self.begun = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.writer.wait()  # what was begun before an error is written all the same
        except (RunError, MemoryError) as found:
            if error is None:
                raise
            warn(str(found))

    @property
    def failed(self) -> bool:
        """Whether writing went wrong, which `finish` raises."""
        return self.writer.failed

    def due(self, done: int, epoch_ends: bool, measured: Mapping[str, float]) -> bool:
        """Whether it is time for a checkpoint; `measured` are the errors after this step, if it was evaluated.

        The clock is that of the process that writes, and the best error is that of what it wrote.
        """
        if self.wanted or done == self.total or any(done % n == 0 for n in (self.keep.every, self.anchors) if n):
            return True
        if self.world.leads and measured.get(self.keep.best or "", math.inf) < self.best:
            return True
        if self.options.checkpoint_every is not None:
            return done % self.options.checkpoint_every == 0
        late = time.monotonic() - self.begun >= MINUTE and not self.writer.busy
        return self.world.leads and late and (epoch_ends or done % LOG_EVERY == 0)

    def save(self, stepper: Stepper, done: int, state: State, measured: Mapping[str, float] = NOTHING) -> bool:
        """Copy the state of a step and begin to write it, when the checkpoint before is written. Raises RunError.

        Gives whether the weights are finite; those that are not are not written.
        """
        self.finish()
        snapshot = stepper.snapshot()
        # the loss of a step is that of the weights before it, so it says nothing of those that are saved
        if not self.world.lead(lambda: snapshot is None or snapshot.finite()):
            return False
        if snapshot is not None:
            about = {"step": done, **state, "job": self.job.to_dict(), "processes": self.world.size,
                     "identity": self.identity}  # fmt: skip
            text, errors = json.dumps(about), dict(measured)
            what = f"the checkpoint of step {done:,}"
            self.writer.start(lambda: self._write(snapshot, done, text, errors), what)
        self.begun, self.wanted = time.monotonic(), False
        return True

    def _write(self, snapshot: Snapshot, done: int, about: str, measured: Mapping[str, float]) -> None:
        files: Mapping[str, bytes] = {**snapshot.files(), "loop.json": about.encode()}
        tags = {f"{name}.safetensors": self.identity for name in SETS}

        def write(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).write_bytes(tagged(content, tags.get(name)))

        if store.save(self.folder, done, self.job.fingerprint, write, self.keep, measured, self.anchors):
            self.saved = done
            self.best = min(self.best, measured.get(self.keep.best or "", math.inf))
        elif self.keep.on_failure == "stop":
            raise RunError(f"the checkpoint of step {done:,} cannot be written", MORE_ROOM)

    def finish(self) -> int:
        """Wait until what was begun is written; gives the step of the newest checkpoint, 0 for none. Raises RunError."""
        self.saved = self.world.lead(self._finished)
        return self.saved

    def _finished(self) -> int:
        self.writer.wait()
        return self.saved

    def described_best(self) -> str | None:
        """Which checkpoint is the best, where the recipe says what that is."""
        metric = self.keep.best
        if metric is None or (found := store.best(self.folder, metric)) is None:
            return None
        error, step = found
        return f"the lowest {metric.replace('_', ' ')}, {error:.2f}%, is that of {store.place(self.folder, step)}"

    def kept(self) -> str:
        """What stands, for a message."""
        return (
            f"the checkpoint of step {saved:,} stands" if (saved := self.finish()) else "there is no checkpoint yet"
        )

    def resume(self, stepper: Stepper) -> State | None:
        """Load the newest complete checkpoint; gives its state of the loop with its `step`, None where there is none yet."""
        step = self.world.lead(lambda: self._newest(stepper))
        if not step:
            return None
        path = store.place(self.folder, step)
        stepper.load(path)
        self.saved = step
        if self.keep.best is not None and (found := store.best(self.folder, self.keep.best)) is not None:
            self.best = found[0]
        return loop_state(path)

    def _newest(self, stepper: Stepper) -> int:
        """The step to go on from, with the metrics as they were then; 0 where there is no checkpoint."""
        try:
            found = store.newest(self.folder, self.job.fingerprint)
        except OtherNetError as error:
            other = extra("archspec_runtime.checkpoints.mismatch")
            raise (error if other is None else other.explained(error, self.job.name, stepper.tensors())) from None
        step, owed = 0, False
        if found is not None:
            state = loop_state(found[0])
            self._compare(state["job"]["recipe"], found[0])
            step, owed = int(state["step"]), bool(state.get("owed"))
        Metrics(self.folder).rewind(step, owed=owed)
        return step

    def _compare(self, before: Mapping[str, Any], path: Path) -> None:
        was, is_ = compared(before, self.job.recipe)
        if was != is_ and not self.options.override:
            words = extra("archspec_runtime.recipe.changes")
            message, help_ = f"{path} was trained by another recipe:", "--override resumes all the same"
            raise RunError(message, help_, rows=[] if words is None else words.changes(before, self.job.recipe))

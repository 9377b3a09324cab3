"""The checkpoints of a run as it goes: when they are due, written behind the steps, and where a resumed run begins."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from . import checkpoints
from .changes import changes
from .errors import OtherNetError, RunError
from .job import Job, Options
from .other_net import explained
from .run_folder import Metrics
from .stepper import Snapshot, Stepper
from .world import World
from .writer import Writer

LOG_EVERY = 20  # steps; between them nothing waits for the device
MINUTE = 60.0
SLOWER = "lower the learning rate, warm up, or set clip_norm"
State = dict[str, Any]


class Saver:
    """Saves a run while the steps go on, one checkpoint at a time; all processes of a world make the same calls.

    A step waits for a copy of the state alone. What goes wrong while it is written is raised by the next `save` or `finish`.
    """

    def __init__(self, folder: Path, job: Job, options: Options, total: int, world: World) -> None:
        self.folder = folder
        self.job = job
        self.options = options
        self.total = total
        self.world = world
        self.writer = Writer()
        self.begun = time.monotonic()  # when the last checkpoint was
        self.saved = 0  # the step of the newest that stands

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
            print(f"warning: {found}", file=sys.stderr)

    @property
    def failed(self) -> bool:
        """Whether writing went wrong, which `finish` raises."""
        return self.writer.failed

    def due(self, done: int, epoch_ends: bool) -> bool:
        """Whether it is time for a checkpoint; the clock is that of the process that writes."""
        if done == self.total:
            return True
        if self.options.checkpoint_every is not None:
            return done % self.options.checkpoint_every == 0
        late = time.monotonic() - self.begun >= MINUTE and not self.writer.busy
        return self.world.leads and late and (epoch_ends or done % LOG_EVERY == 0)

    def save(self, stepper: Stepper, done: int, state: State) -> None:
        """Copy the state of a step and begin to write it, when the checkpoint before is written. Raises RunError."""
        self.finish()
        snapshot = stepper.snapshot()
        # the loss of a step is that of the weights before it, so it says nothing of those that are saved
        if not self.world.lead(lambda: snapshot is None or snapshot.finite()):
            raise RunError(f"the weights are not finite after step {done:,}; {self.kept()}", SLOWER)
        if snapshot is not None:
            about = {"step": done, **state, "job": self.job.to_dict(), "processes": self.world.size}
            text = json.dumps(about)
            self.writer.start(lambda: self._write(snapshot, done, text), f"the checkpoint of step {done:,}")
        self.begun = time.monotonic()

    def _write(self, snapshot: Snapshot, done: int, about: str) -> None:
        files: Mapping[str, bytes] = {**snapshot.files(), "loop.json": about.encode()}

        def write(folder: Path) -> None:
            for name, content in files.items():
                (folder / name).write_bytes(content)

        if checkpoints.save(self.folder, done, self.job.fingerprint, write) is not None:
            self.saved = done

    def finish(self) -> int:
        """Wait until what was begun is written; gives the step of the newest checkpoint, 0 for none. Raises RunError."""
        self.saved = self.world.lead(self._finished)
        return self.saved

    def _finished(self) -> int:
        self.writer.wait()
        return self.saved

    def kept(self) -> str:
        """What stands, for a message."""
        return (
            f"the checkpoint of step {saved:,} stands" if (saved := self.finish()) else "there is no checkpoint yet"
        )

    def resume(self, stepper: Stepper) -> State | None:
        """Load the newest whole checkpoint; gives its state of the loop with its `step`, None where there is none yet."""
        step = self.world.lead(lambda: self._newest(stepper))
        if not step:
            return None
        path = checkpoints.place(self.folder, step)
        stepper.load(path)
        self.saved = step
        return _read(path)

    def _newest(self, stepper: Stepper) -> int:
        """The step to go on from, with the metrics as they were then; 0 where there is no checkpoint."""
        try:
            found = checkpoints.newest(self.folder, self.job.fingerprint)
        except OtherNetError as error:
            raise explained(error, self.job.name, stepper.tensors()) from None
        step = 0
        if found is not None:
            state = _read(found[0])
            self._compare(state["job"]["recipe"], found[0])
            step = int(state["step"])
        Metrics(self.folder).rewind(step)
        return step

    def _compare(self, before: Mapping[str, Any], path: Path) -> None:
        changed = changes(before, self.job.recipe)
        if changed and not self.options.override:
            listed = "\n  ".join(changed)
            raise RunError(f"{path} was trained by another recipe:\n  {listed}", "--override resumes all the same")


def _read(path: Path) -> State:
    state: State = json.loads((path / "loop.json").read_text(encoding="utf-8"))
    return state

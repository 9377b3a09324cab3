"""Runs as processes of this machine, several at a time."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from archspec.diagnostics.printable import printable
from archspec_experiments.sweep import BEGIN, Outcome
from archspec_experiments.task import Task
from archspec_runtime.console import say
from archspec_runtime.processes.platforms import ask_to_end

POLL = 0.1  # seconds
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
ARCHSPEC = (sys.executable, "-m", "archspec_cli")


@dataclass(slots=True)
class Local:
    """At most `jobs` processes at a time.

    SIGTERM and Ctrl-C are passed on to them, so that each saves a checkpoint; the second Ctrl-C kills them.
    """

    jobs: int = 1
    stopped: int = 0
    running: dict[Task, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Make the runs, each told as it ends."""
        waiting = list(reversed(tasks))
        with self._signals():
            while self.running or (waiting and not self.stopped):
                while waiting and len(self.running) < self.jobs and not self.stopped:
                    task = waiting.pop()
                    say(f"{task.name} starts")
                    self.running[task] = start(task)
                ended = [(task, process) for task, process in self.running.items() if process.poll() is not None]
                for task, process in ended:
                    del self.running[task]
                    yield Outcome(task, exit_code(process.returncode))
                if not ended:
                    time.sleep(POLL)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        before: dict[signal.Signals, Any] = {number: signal.signal(number, self._stop) for number in CODES}
        try:
            yield
        finally:
            for process in self.running.values():
                process.kill()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        again = self.stopped and number == signal.SIGINT
        self.stopped = self.stopped or CODES[signal.Signals(number)]
        for process in self.running.values():
            if again:
                process.kill()
            else:
                ask_to_end(process, signal.SIGTERM)


def start(task: Task) -> subprocess.Popen[bytes]:
    """Start a run; what it prints goes to the end of its log."""
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with open(task.log, "ab") as log:
        log.write(f"{BEGIN}{printable(shlex.join(task.arguments))}\n".encode())
        log.flush()
        # a session of its own: a Ctrl-C of the terminal comes once, by way of this process
        return subprocess.Popen([*ARCHSPEC, *task.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip


def exit_code(returncode: int) -> int:
    """The exit code as a shell gives it: 128 and the number of the signal that ended a process."""
    return 128 - returncode if returncode < 0 else returncode

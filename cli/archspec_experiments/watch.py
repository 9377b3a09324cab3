"""The progress of a sweep while its runs are made: which are done, how far those are that run, how many wait."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from archspec_experiments.task import Task
from archspec_runtime.console import duration, printable, say

EVERY = 60.0  # seconds between what is said where there is no terminal to draw in
TAIL = 4096  # bytes of a run's metrics that its last row is within
MARGIN = 2.0  # seconds that file systems and clocks may be apart


class Watch:
    """Reads the folders of runs, wherever they are made; in a terminal it draws below what is said, and else says lines."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.done = set[str]()  # names of tasks that have ended
        self.begun = time.time()
        self.first: dict[str, tuple[float, float]] = {}  # of each run: when it was seen first, and how far it was
        self.ended = threading.Event()
        self.live: Any = None

    def lines(self) -> list[str]:
        """How many are done, run and wait, and how far those are that run."""
        running = [task for task in self.tasks if task.name not in self.done and self._runs(task)]
        waiting = len(self.tasks) - len(self.done) - len(running)
        head = f"{len(self.done)} of {len(self.tasks)} runs done, {len(running)} running, {waiting} waiting"
        return [head, *(f"  {task.name}: {self._progress(task)}" for task in running)]

    def _runs(self, task: Task) -> bool:
        """Whether a task has begun: its launcher writes its log."""
        with suppress(OSError):
            return task.log.stat().st_mtime >= self.begun - MARGIN
        return False

    def _progress(self, task: Task) -> str:
        row = last_row(task.folder)
        share = None if row is None else done_of(task.folder, row)
        if row is None or share is None:
            return "starting"
        now = datetime.fromisoformat(row["time"]).timestamp() if "time" in row else time.time()
        text = f"step {row['step']:,}, {100 * share:.0f}%"
        if now < self.begun - MARGIN:  # of a run that goes on, measured before it was cut
            return text
        began, before = self.first.setdefault(task.name, (now, share))
        if share <= before:
            return text
        return f"{text}, {duration((now - began) / (share - before) * (1 - share))} left"

    def __enter__(self) -> Watch:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            screen = Console(stderr=True, markup=False, highlight=False)
            self.live = Live(console=screen, get_renderable=self._text, refresh_per_second=1, transient=True)
            self.live.__enter__()
        else:
            self.thread = threading.Thread(target=self._say, daemon=True)
            self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def _text(self) -> str:
        return "\n".join(map(printable, self.lines()))

    def _say(self) -> None:
        before: list[str] = []
        while not self.ended.wait(EVERY):
            lines = self.lines()
            if lines != before:
                for line in lines:
                    say(line)
            before = lines


def last_row(run: Path) -> dict[str, Any] | None:
    """The last whole row of a run's metrics; None where there is none yet."""
    with suppress(OSError, ValueError, KeyError):
        with open(run / "metrics.jsonl", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL))
            text = file.read()
        row: dict[str, Any] = json.loads(text[: text.rindex(b"\n")].rpartition(b"\n")[2])
        return row if isinstance(row["step"], int) else None
    return None


def done_of(run: Path, row: dict[str, Any]) -> float | None:
    """Which share of a run is done at a row of its metrics; None where its record does not say how long it is."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        recipe = json.loads((run / "run.json").read_text(encoding="utf-8"))["job"]["recipe"]
        done = row["step"] / recipe["steps"] if recipe.get("steps") else row["epoch"] / recipe["epochs"]
        return min(1.0, float(done))
    return None

"""Running a sweep: what is finished is kept, what was cut goes on, what is missing starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Protocol

from archspec_experiments.plan import Planned, Request, record
from archspec_experiments.runs import LOGS
from archspec_experiments.state import State, progress_of
from archspec_experiments.task import Task
from archspec_experiments.watch import Watch
from archspec_runtime.console import say, tell
from archspec_runtime.errors import RunError
from archspec_runtime.recipe.changes import changes
from archspec_runtime.record.folder import lock
from archspec_runtime.run.curves import Summary

SIGNALLED = (130, 137, 143)  # Ctrl-C, kill, SIGTERM
WAYS = {State.absent: "is to start", State.cut: "is to go on", State.finished: "is kept"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended."""

    task: Task
    exit_code: int


class Launcher(Protocol):
    """Where the runs of a sweep are made."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Make the runs, each told as it ends, in any order; fewer are told where a signal stopped them."""

    @property
    def stopped(self) -> int:
        """The exit code of the signal that stopped it, 0 where none did."""


def task_of(out: Path, planned: Planned, request: Request) -> Task:
    """The task of a point, which goes on with a run that was begun."""
    name = planned.point.name
    folder = out / name
    words = ["train", *planned.point.arguments(), *request.arguments(), "--out", str(folder)]
    resume = ["--resume"] if (folder / "run.json").is_file() else []
    return Task(name, folder, out / LOGS / f"{name}.log", tuple(words + resume))


def check_same(out: Path, planned: Sequence[Planned]) -> None:
    """Raise RunError where a folder holds runs of these names that were made otherwise."""
    changed = [line for p in planned for line in _differences(out / p.point.name, p)]
    if changed:
        raise RunError("these runs were made otherwise:", "give another --out", rows=changed)


def prepare(out: Path, planned: Sequence[Planned], request: Request) -> None:
    """Make the folder of a sweep and record its grid. Raises RunError where it holds other runs or cannot be written."""
    check_same(out, planned)
    try:
        (out / LOGS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}", "give another --out", 2) from None
    record(out, planned, request)


def _differences(folder: Path, planned: Planned) -> Iterator[str]:
    """What of a run that is there is not as it is asked for now."""
    run = progress_of(folder).run
    if run is None:
        return
    if run["job"].get("fingerprint") != planned.job.fingerprint:
        yield f"{folder.name}: it is another net"
    elif run.get("weights") != planned.weights:
        before = "other weights" if run.get("weights") and planned.weights else "weights of a file"
        yield f"{folder.name}: it began with {before if run.get('weights') else 'random weights'}"
    yield from (f"{folder.name}: {line}" for line in changes(run["job"]["recipe"], planned.job.recipe))


def run_sweep(out: Path, planned: Sequence[Planned], request: Request, launcher: Launcher) -> int:
    """Make all runs that are not finished, and print the table; returns the exit code. Raises RunError."""
    prepare(out, planned, request)
    with lock(out):
        states = {p.point.name: progress_of(out / p.point.name).state for p in planned}
        for name, state in states.items():
            say(f"{name} {WAYS[state]}")
        tasks = [task_of(out, p, request) for p in planned if states[p.point.name] is not State.finished]
        failed: dict[str, str] = {}
        with Watch(tasks) as watch:
            for done, outcome in enumerate(launcher.run(tasks), 1):
                name = outcome.task.name
                watch.done.add(name)
                if launcher.stopped and outcome.exit_code in SIGNALLED:
                    ending = "stopped"
                elif outcome.exit_code:
                    ending = failed[name] = reason(outcome)
                else:
                    ending = "finished"
                say(f"[{done}/{len(tasks)}] {name}: {ending}")
    tell(*_table(out, [p.point.name for p in planned], failed))
    if launcher.stopped:
        say("stopped; call it again to go on")
        return launcher.stopped
    say(f"the runs are in {out}; draw them with: archspec report {quote(str(out))}")
    return 1 if failed else 0


def reason(outcome: Outcome) -> str:
    """Why a run failed: the message that it ended with, in one line."""
    return failure(outcome.task.log) or f"ended with exit code {outcome.exit_code}, see {outcome.task.log}"


def failure(log: Path) -> str | None:
    """The first line of the last error in a log, None where there is none since the run last began."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").rpartition(BEGIN)[2]
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.startswith("error")]
    return lines[-1].partition(":")[2].strip() if lines else None


BEGIN = "$ archspec "
"""What a log's first line of each attempt begins with."""


def _table(out: Path, names: Iterable[str], failed: dict[str, str]) -> Iterator[str]:
    rows = [(progress_of(out / name), name) for name in names]
    width = max(len("run"), *(len(name) for _, name in rows))
    yield f"{'run':<{width}}  {'steps':>8}  {'train error':>11}  {'test error':>10}  {'best':>7}  state"
    for progress, name in rows:
        line = progress.summary(name)
        state = f"failed: {failed[name]}" if name in failed else str(progress.state)
        yield f"{name:<{width}}  {line.step:>8,}  {'  '.join(errors(line))}  {state}"


def errors(line: Summary) -> list[str]:
    """Training, test and best test error as the table aligns them."""
    values = (line.train_error, line.test_error, line.best_test_error)
    return [f"{'-' if v is None else f'{v:.2f}%':>{w}}" for v, w in zip(values, (11, 10, 7), strict=True)]

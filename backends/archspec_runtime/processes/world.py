"""The processes of a run, seen from one of them: which it is, what its share is, and what all of them agree on.

Launchers say in the environment who a process is (`RANK`, `WORLD_SIZE`, ... as `torchrun` sets them). A framework joins
the processes, and gives a World whose `peers` can be asked.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from archspec_runtime.errors import FailedElsewhere, RunError

SAID = "ARCHSPEC_SAID"  # a path: the process that makes this file may say what went wrong
ROOM = "archspec-"  # how the temporary folder of a launcher begins, where that file would be
PARENT_EVERY = 1.0  # seconds between looks at whether the launcher still lives


Answer = Callable[[], list[int]]


class Peers(Protocol):
    """The other processes, as a framework reaches them. What waits for all raises PeersLost where one is gone."""

    def highest(self, values: Sequence[int]) -> list[int]:
        """The highest of each value over all processes; waits for them."""

    def ask(self, values: Sequence[int]) -> Answer:
        """The same without waiting: a function that gives the answer, and waits for it."""

    def close(self) -> None:
        """Part from the others at the end of a run."""


@dataclass(frozen=True, slots=True)
class World:
    """One of `size` processes. The first, of rank 0, leads: it alone writes the run's folder and shows progress."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # among the processes of this machine
    local_size: int = 1
    launch: str = ""  # names what was launched, with all of its restarts
    restarts: int = 0
    peers: Peers | None = None
    each_step: bool = True  # whether to ask the peers waits for no device, so that every step may ask

    @property
    def leads(self) -> bool:
        """Whether this process writes for all."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of a batch of so many samples: equal parts, in the order of ranks. Raises RunError."""
        if count % self.size:
            fitting = [n for n in range(1, min(count, 2 * self.size) + 1) if count % n == 0]
            near = sorted(sorted(fitting, key=lambda n: abs(n - self.size))[:2])
            noun = "device" if near[-1] == 1 else "devices"
            raise RunError(
                f"a batch of {count} cannot be shared equally by {self.size} devices",
                f"take {' or '.join(map(str, near))} {noun}, or make batch_size a multiple of {self.size}",
            )
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def piece(self, start: int, stop: int) -> slice:
        """This process's part of start to stop, where parts may differ by one and be empty; together they are all."""
        edges = [start + (stop - start) * rank // self.size for rank in (self.rank, self.rank + 1)]
        return slice(*edges)

    def highest(self, *values: int) -> list[int]:
        """The highest of each value over all processes, which must all ask at the same place."""
        return list(values) if self.peers is None else self.peers.highest(values)

    def ask(self, *values: int) -> Answer:
        """The same as a question whose answer is read later; alone it is there at once."""
        return (lambda: list(values)) if self.peers is None else self.peers.ask(values)

    def lead(self, action: Callable[[], int]) -> int:
        """What an action of the first process gives, to all; the others wait. What it raises ends all of them."""
        result, error = 0, None
        if self.leads:
            try:
                result = int(action())
            except RunError as found:
                error = found
        result, code = self.highest(result, error.exit_code if error is not None else 0)
        if error is not None:
            raise error
        if code:
            raise FailedElsewhere(code)
        return result

    def may_speak(self) -> bool:
        """Whether it falls to this process to say what went wrong: of those of a machine only the first that asks."""
        path = _said(os.environ, self.restarts) if self.size > 1 else None
        if path is None:
            return True
        try:
            path.open("x").close()
        except FileExistsError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Part from the others."""
        if self.peers is not None:
            self.peers.close()
            _stop_watching()


def world_of(environment: Mapping[str, str]) -> World:
    """The world that a launcher describes, not yet joined; a single process without one. Raises RunError."""
    try:
        size, rank = int(environment.get("WORLD_SIZE", 1)), int(environment.get("RANK", 0))
        local = int(environment.get("LOCAL_RANK", rank)), int(environment.get("LOCAL_WORLD_SIZE", size))
        restarts = int(environment.get("TORCHELASTIC_RESTART_COUNT", 0))
    except ValueError as error:
        raise RunError(f"RANK, WORLD_SIZE and their like are numbers: {error}", LAUNCH, 2) from None
    if size > 1 and (not 0 <= rank < size or not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= environment.keys()):
        raise RunError(f"WORLD_SIZE is {size}, and RANK, MASTER_ADDR and MASTER_PORT do not fit it", LAUNCH, 2)
    return World(rank, size, *local, environment.get("TORCHELASTIC_RUN_ID", ""), restarts)


LAUNCH = "start with `--nproc N` or with torchrun, which set them; or unset WORLD_SIZE"


def this_process() -> str:
    """Which process this is, as messages say it."""
    return f"process {os.environ.get('RANK', 0)} of {os.environ.get('WORLD_SIZE', 1)}"


def launched(environment: Mapping[str, str]) -> bool:
    """Whether this process is one that a launcher started."""
    return SAID in environment


def _said(environment: Mapping[str, str], restarts: int) -> Path | None:
    if SAID in environment:
        return Path(f"{environment[SAID]}-{restarts}")
    if "TORCHELASTIC_ERROR_FILE" in environment:  # in a folder for each rank, in one for each attempt
        return Path(environment["TORCHELASTIC_ERROR_FILE"]).parent.parent / "said"
    return None


_failed: list[int] = []
_watching: list[tuple[threading.Event, threading.Thread]] = []


def abandon(code: int) -> None:
    """After a failure: let this process end without a farewell to the others, which may never answer."""
    _failed.append(code)


def _clear_up() -> None:
    """Take away the folder of a launcher that is gone, which could not."""
    room = Path(os.environ.get(SAID, "")).parent
    if room.name.startswith(ROOM):
        shutil.rmtree(room, ignore_errors=True)


def take_part() -> None:
    """Make this process end as one of many must; called when it has joined.

    When the launcher that started it is gone it ends too, so that none is left behind; and see `abandon`.
    """
    parent = os.getppid()

    def leave() -> None:
        if _failed:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(_failed[-1])

    atexit.register(leave)  # the last to be registered is the first to be called

    stop = threading.Event()

    def watch() -> None:
        while os.getppid() == parent:
            if stop.wait(PARENT_EVERY):
                return
        _clear_up()
        os._exit(1)

    thread = threading.Thread(target=watch, name="end with parent", daemon=True)
    with contextlib.suppress(RuntimeError):  # where no thread can be started there is none to watch
        thread.start()
        _watching.append((stop, thread))


def _stop_watching() -> None:
    while _watching:
        stop, thread = _watching.pop()
        stop.set()
        thread.join()

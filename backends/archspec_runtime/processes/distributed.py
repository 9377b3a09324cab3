"""A process that a launcher started as one of many: who it is, who of them speaks, and how it ends when others fail.

Launchers say in the environment who a process is (`RANK`, `WORLD_SIZE`, ... as `torchrun` sets them).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from archspec_runtime.errors import FailedElsewhere, RunError
from archspec_runtime.processes.world import World

T = TypeVar("T")

SAID = "ARCHSPEC_SAID"  # a path: the process that makes this file may say what went wrong
ROOM = "archspec-"  # how the temporary folder of a launcher begins, where that file would be
PARENT_EVERY = 1.0  # seconds between looks at whether the launcher still lives


class PeersLost(RunError):  # noqa: N818 (it says what happened)
    """Another process of the run is gone, or does not answer."""

    @classmethod
    def of(cls, world: str, *, silent: bool, cause: Iterable[str] = ()) -> PeersLost:
        """One that was waited for in vain, or one whose connection broke; `cause` is what a library said of it."""
        if silent:
            return cls(f"{world} has waited for the others in vain; one of them hangs, or never came",
                       "look at that machine, go on with --resume, or wait longer: --timeout SECONDS", rows=cause)  # fmt: skip
        return cls(f"{world} has lost another one: it was killed, or its machine is gone",
                   "go on with --resume; --max-restarts N does so by itself", rows=cause)  # fmt: skip


def together(world: World, run: Callable[[], T]) -> T:
    """What a run gives, as one of many processes: it ends with them where one fails, and one of them says why."""
    try:
        return run()
    except FailedElsewhere as error:
        abandon(error.exit_code)
        raise SystemExit(error.exit_code) from None
    except RunError as error:
        abandon(error.exit_code)
        if not may_speak(world):
            raise SystemExit(error.exit_code) from None
        raise
    except BaseException:
        abandon(1)
        raise


def may_speak(world: World) -> bool:
    """Whether it falls to this process to say what went wrong: of those of a machine only the first that asks."""
    path = _said(os.environ, world.restarts)
    if path is None:
        return True
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


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


def stop_watching() -> None:
    """Look no more whether the launcher lives, at the end of a run."""
    while _watching:
        stop, thread = _watching.pop()
        stop.set()
        thread.join()

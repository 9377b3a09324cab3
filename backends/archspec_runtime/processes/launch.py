"""Starting the processes of a run on one machine, for a framework that brings no launcher of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from archspec_runtime.console import complain
from archspec_runtime.errors import RunError
from archspec_runtime.processes.distributed import ROOM, SAID
from archspec_runtime.processes.platforms import ask_to_end
from archspec_runtime.processes.signals import CODES, Signals

GRACE = 30.0  # seconds from asking a process to end until it is made to
SAY = 5.0  # seconds that the others have to say what happened, before they are asked to end
LOOK_EVERY = 0.1


def launch(command: Sequence[str], processes: int, restarts: int = 0) -> int:
    """Run a command as so many processes that find each other through the environment; gives the exit code.

    Signals are passed on. Where one process fails the others are ended, and all are started anew as often as `restarts`.
    """
    run = uuid4().hex
    code = 0
    with tempfile.TemporaryDirectory(prefix=ROOM) as folder, Signals() as signals:
        said = Path(folder, "said")
        for attempt in range(restarts + 1):
            shared = {
                "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
                "MASTER_ADDR": "localhost", "MASTER_PORT": str(_free_port()),
                "TORCHELASTIC_RUN_ID": run, "TORCHELASTIC_RESTART_COUNT": str(attempt), SAID: str(said),
            }  # fmt: skip
            started = [_start(command, rank, shared) for rank in range(processes)]
            try:
                code = _watch(started, signals)
                if not signals.received:
                    _wait(started, SAY)
            finally:
                _end(started, signal.SIGTERM)
            if code == 0 or signals.received:
                break
        if code < 0:
            if not Path(f"{said}-{attempt}").exists():
                complain(_ended_by(signal.Signals(-code)))
            code = 1
    return code


def _ended_by(number: signal.Signals) -> RunError:
    """What is said of a process that could not say it itself."""
    if number == signal.SIGABRT:
        return RunError("a process gave itself up (SIGABRT), as JAX does where another one hangs and is not heard of",
                        "look at what it said, go on with --resume, or wait longer: --timeout SECONDS")  # fmt: skip
    return RunError(f"a process was ended by {number.name}", "go on with --resume")


def _start(command: Sequence[str], rank: int, shared: dict[str, str]) -> subprocess.Popen[bytes]:
    # in a session of its own, so that Ctrl-C in a terminal reaches it once: from here
    environment = {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    return subprocess.Popen(command, env=environment, start_new_session=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def _watch(started: Sequence[subprocess.Popen[bytes]], signals: Signals) -> int:
    """Until all have ended or one has failed; the first failure's exit code, below zero for a signal."""
    while True:
        codes = [process.poll() for process in started]
        failed = [code for code in codes if code]
        if failed and not signals.received:
            return min(failed)
        if None not in codes:
            return failed[0] if failed else 0
        if signals.received:
            number = next(n for n, code in CODES.items() if code == signals.received)
            _end(started, number)
            codes = [process.wait() for process in started]
            return signals.received if any(codes) else 0  # those that did not listen yet were ended by it
        time.sleep(LOOK_EVERY)


def _end(started: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Ask those that still run to end, and after a while make them."""
    for process in started:
        if process.poll() is None:
            ask_to_end(process, number)
    _wait(started, GRACE)
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(started: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Until all have ended, or so long."""
    until = time.monotonic() + seconds
    for process in started:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))

"""SIGTERM and Ctrl-C end a run after the step or batch it is in, with a checkpoint; a second Ctrl-C ends it at once."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from archspec_runtime.errors import RunError

SOON = 0.5  # seconds in which a thread that runs Python hears of a signal


@contextmanager
def overheard(end: Callable[[int], object]) -> Iterator[None]:
    """While entered: `end` is called with each signal, in a thread of its own and a little later than handlers are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    if hasattr(os, "set_blocking"):  # Windows has it from Python 3.12 on
        os.set_blocking(writer, False)

    def listen() -> None:
        while number := os.read(reader, 1):
            time.sleep(SOON)
            end(number[0])
        os.close(reader)

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # which ends the thread
        thread.join(2 * SOON)


ENDING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Undo:
    """A handler that takes something away before the signal does what it did before."""

    take_away: Callable[[], object]
    before: Any  # SIG_DFL, or the handler of a block around
    ends_process: bool = True

    def undo(self) -> None:
        """Take away what this block and those around it have half made."""
        self.take_away()
        if isinstance(self.before, Undo):
            self.before.undo()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take it away, and end the process by the signal."""
        self.take_away()
        if callable(self.before):
            self.before(number, frame)
        else:
            signal.signal(number, self.before)
            signal.raise_signal(number)


@contextmanager
def undone(take_away: Callable[[], object]) -> Iterator[None]:
    """Call `take_away` at the end of a block, and where a signal ends the process within it; it may be called twice.

    A signal that raises, as Ctrl-C does in Python unless a program says otherwise, comes by way of the block's end.
    """
    replaced = {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            before = signal.getsignal(number)
            if before is signal.SIG_DFL or getattr(before, "ends_process", False):
                replaced[number] = signal.signal(number, Undo(take_away, before))
    try:
        yield
    finally:
        take_away()
        for number, before in replaced.items():
            signal.signal(number, before)


@contextmanager
def undone_unheard() -> Iterator[None]:
    """End the process by a signal also while its main thread hears none; for what is not done in a second."""

    def end(number: int) -> None:
        handler = signal.getsignal(number)
        if isinstance(handler, Undo):
            handler.undo()
            os._exit(128 + number)

    with overheard(end):
        yield


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file to, which takes its name when all of it is there. Raises OSError.

    Where the path is a link, the file that it leads to is written; a device or a pipe is refused: a file would take its place.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a device or a pipe", str(path))
    if path.is_symlink():
        path = Path(os.path.realpath(path))
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with undone(lambda: aside.unlink(missing_ok=True)):
        yield aside
        os.replace(aside, path)


CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
BREAK_EVERY = 0.5  # seconds between looks for a signal, where all processes have to look together
_entered: list[Signals] = []


def received() -> int:
    """The exit code of the first signal since `Signals` was entered; 0 where there was none, or where it is not."""
    return _entered[-1].received if _entered else 0


class Asked(Exception):  # noqa: N818 (it says what happened)
    """A signal came while something was measured that can be measured again."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Unanswered(RunError):  # noqa: N818 (it says what happened)
    """A run was asked to end while it waited for images."""


class Breaks:
    """The places between batches at which the processes of an evaluation look for a signal, the same ones in all of them.

    To ask the others takes a while, so they ask each other as often as they take half a second, by the slowest's clock.
    """

    def __init__(self, highest: Callable[..., list[int]]) -> None:
        self.highest = highest  # of `World`
        self.begun = time.monotonic()
        self.count = self.next = 0

    def take(self) -> None:
        """Before a batch. Raises Asked in all processes where one has heard a signal."""
        if self.count >= self.next:
            each = (time.monotonic() - self.begun) / max(1, self.count)
            code, micro = self.highest(received(), min(int(each * 1e6), 10**9))
            if code:
                raise Asked(code)
            self.next = self.count + max(1, min(int(BREAK_EVERY * 1e6 / max(1, micro)), self.count))
        self.count += 1


class Signals:
    """While entered, `received` is the exit code of the first signal, 0 before."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[signal.Signals, Any] = {}
        self._overheard = 0
        self._listening = ExitStack()

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in CODES}
            self._listening.enter_context(overheard(self._overhear))
            _entered.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self in _entered:
            _entered.remove(self)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            self._end()
        self.received = self.received or CODES[signal.Signals(number)]

    def _overhear(self, number: int) -> None:
        """The same in another thread, for a step that is being compiled or does not end."""
        if self._overheard and number == signal.SIGINT:
            self._end()
        self._overheard = number if number in CODES else self._overheard

    def _end(self) -> None:
        around = self._before[signal.SIGINT]
        if isinstance(around, Undo):
            around.undo()
        os._exit(CODES[signal.SIGINT])

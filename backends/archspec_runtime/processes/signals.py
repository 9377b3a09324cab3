"""SIGTERM and Ctrl-C end a run after the step or batch it is in, with a checkpoint; a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any

from archspec_runtime.errors import RunError
from archspec_runtime.processes.interrupts import Undo, overheard

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

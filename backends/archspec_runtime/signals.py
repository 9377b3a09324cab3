"""SIGTERM and Ctrl-C end a run after the step it is in, with a checkpoint; a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any

from .undoing import Undo
from .unheard import overheard

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
_entered: list[Signals] = []


def received() -> int:
    """The exit code of the first signal since `Signals` was entered; 0 where there was none, or where it is not."""
    return _entered[-1].received if _entered else 0


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

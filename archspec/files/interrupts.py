"""What is half made is taken away where Ctrl-C or SIGTERM ends the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Undo:
    """A handler that takes something away before the signal does what it did before."""

    take_away: Callable[[], object]
    before: Any  # SIG_DFL, or the handler of a block around
    ends_process: bool = True

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
def unbroken() -> Iterator[None]:
    """Let a signal that would end the process wait for the end of a block."""
    waiting: list[int] = []
    replaced = {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                replaced[number] = signal.signal(number, lambda number, frame: waiting.append(number))
    try:
        yield
    finally:
        for number, before in replaced.items():
            signal.signal(number, before)
        if waiting:
            signal.raise_signal(waiting[0])

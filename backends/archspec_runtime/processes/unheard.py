"""Signals that the main thread does not hear, because it computes or compiles in C for longer than anybody waits."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

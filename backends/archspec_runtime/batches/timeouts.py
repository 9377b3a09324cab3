"""Waiting for images from a disk that may not answer: what is waited for is said, and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

from archspec_runtime.console import warn
from archspec_runtime.errors import RunError
from archspec_runtime.processes.signals import Unanswered, received

T = TypeVar("T")

SILENCE = 60.0  # seconds without an image after which it is said what is waited for
PATIENCE = 900.0  # and after which it is waited no longer
HURRY = 5.0  # and after which a run leaves that was asked to end
LOOK_EVERY = 1.0


class Patience:
    """How long there has been no image."""

    def __init__(self) -> None:
        self.begun = self.said = time.monotonic()

    def renew(self) -> None:
        """There is one."""
        self.begun = self.said = time.monotonic()

    def wear(self, name: str) -> None:
        """There is none yet, but that of a name is being read.

        Raises RunError when it has been for too long, Unanswered when it has been for a while and a signal has come.
        """
        now = time.monotonic()
        if now - self.begun > HURRY and (code := received()):
            raise Unanswered(f"asked to end while {name} was waited for", "go on with --resume", code)
        if now - self.said < SILENCE:
            return
        self.said = now
        what = f"no image has been read for {now - self.begun:.0f} seconds; waiting for {name}"
        if now - self.begun > PATIENCE:
            raise RunError(what, "see whether its disk answers, and go on with --resume")
        warn(what)


class Readers(Generic[T]):
    """Threads that read. They are daemons: a disk that never answers must not keep a process from ending."""

    def __init__(self, count: int) -> None:
        self._tasks: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name="reader", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, read: Callable[[], T]) -> Future[T]:
        """Have something read by the next thread that is free."""
        future: Future[T] = Future()
        self._tasks.put((future, read))
        return future

    def close(self) -> None:
        """Let the threads end, when each has read what it reads; what none has begun is left."""
        while not self._tasks.empty():
            self._tasks.get()
        for _ in self._threads:
            self._tasks.put(None)
        until = time.monotonic() + LOOK_EVERY
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, read = task
            try:
                future.set_result(read())
            except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                future.set_exception(error)


def patiently(future: Future[T], doing: Callable[[], str]) -> T:
    """What is being read; `doing` names the image. Raises what reading it raised, and RunError where it takes too long."""
    patience, before = Patience(), ""
    while not wait([future], LOOK_EVERY).done:
        if (name := doing()) != before:
            before = name
            patience.renew()
        patience.wear(name)
    return future.result()

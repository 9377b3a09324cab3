"""Writing behind the steps: one thing at a time, on a thread, and what goes wrong is raised where it is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from archspec_runtime.console import warn
from archspec_runtime.errors import RunError

SILENCE = 60.0  # seconds that a write is waited for before it is said
PATIENCE = 900.0  # and after which it is waited no longer


class Writer:
    """Runs one action at a time beside the steps."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._what = ""
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether an action is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether `wait` would raise what an action raised."""
        return self._error is not None

    def start(self, action: Callable[[], object], what: str) -> None:
        """Begin an action, when the one before is done; `what` names it. Raises what the one before raised."""
        self.wait()

        def run() -> None:
            try:
                action()
            except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                self._error = error

        self._what = what
        # a daemon: a disk that never answers must not keep a run from ending
        self._thread = threading.Thread(target=run, name=what, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the action that is under way. Raises what it raised, and RunError where it takes too long."""
        begun = time.monotonic()
        while self.busy:
            assert self._thread is not None
            self._thread.join(SILENCE)
            if self.busy:
                self._patience(time.monotonic() - begun)
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _patience(self, seconds: float) -> None:
        message = f"{self._what} has been written for {seconds:.0f} seconds and is not done"
        if seconds > PATIENCE:
            self._thread = None
            raise RunError(message, "see whether its disk answers, and go on with --resume")
        warn(f"{message}; waiting for the disk")

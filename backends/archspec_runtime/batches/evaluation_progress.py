"""How far a long evaluation is: said each time that it has taken twice as long as when it was said before."""

from __future__ import annotations

import time

from archspec_runtime.console import duration, say

FIRST = 10.0  # seconds after which it is said for the first time


class Pace:
    """Counts the images that were measured, and says how many are and how long the others take."""

    def __init__(self, total: int, *, silent: bool = False) -> None:
        self.total = total
        self.silent = silent  # in a process that another one speaks for
        self.begun = time.monotonic()
        self.due = FIRST

    def come_to(self, done: int) -> None:
        """Say how far it is, where that is due."""
        passed = time.monotonic() - self.begun
        if self.silent or passed < self.due or not 0 < done < self.total:
            return
        self.due = 2 * passed
        left = passed / done * (self.total - done)
        say(f"measured {done:,} of {self.total:,} images, {duration(left)} left")

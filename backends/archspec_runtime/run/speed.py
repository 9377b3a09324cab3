"""How fast the steps of a run are."""

from __future__ import annotations

import time


class Meter:
    """Images a second between one look and the next, by a clock that nobody sets."""

    def __init__(self, batch: int, step: int) -> None:
        self.batch = batch
        self.pause(step)

    def read(self, step: int) -> float:
        """Images a second up to this step, from where it began to count; begins anew."""
        speed = (step - self.step) * self.batch / max(time.monotonic() - self.begun, 1e-9)
        self.pause(step)
        return speed

    def pause(self, step: int) -> None:
        """Leave out what came before: it was spent on something else."""
        self.step, self.begun = step, time.monotonic()

"""What a run keeps of what it saves, and what it does about a non-finite loss or a loss spike.

A bad loss is not finite or, with `spike`, above so many times the mean of the steps before: of the last 100, or
of an epoch where that is shorter, as of the last multiple of 20 or end of an epoch. Until there are so many, nothing is a spike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which checkpoints stay: the newest `last`, that of the lowest `best`, and those of every so many steps.

    For `best` one is written after each evaluation that gives less than all before, for `every` at each multiple of it. Where
    a disk does not take one, `on_failure` says whether to go on without.
    """

    last: int = 2
    best: Literal["val_error", "test_error"] | None = None
    every: int | None = None
    on_failure: Literal["warn", "stop"] = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The run ends, and the last checkpoint stands."""

    kind: ClassVar[str] = "stop"
    spike: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The update is left out: weights, statistics and optimizer stay as they were; also where a gradient is not finite.

    After more than `most` such steps the run ends.
    """

    kind: ClassVar[str] = "skip"
    spike: float | None = None
    most: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """The run takes up the state of the last multiple of `every` steps, and goes on with the batches that are next.

    It does so at the next multiple of 20 steps or end of an epoch, where all is as if the updates in between had been left out.
    After more than `most` times the run ends.
    """

    kind: ClassVar[str] = "roll_back"
    spike: float | None = None
    most: int = 3
    every: int = 1000


BadLoss = Stop | Skip | RollBack

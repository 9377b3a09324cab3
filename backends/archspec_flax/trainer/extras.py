"""What not every run has a part in, found where it is asked for: other processes, and the EMA."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from archspec_runtime.parts import part
from archspec_runtime.processes.world import World

SEVERAL = "a run of several processes"


def launcher() -> Any:
    """What joins processes, and adds up what they have."""
    return part("archspec_flax.trainer.world", SEVERAL)


def peers_answer(world: World) -> AbstractContextManager[None]:
    """Say who was waited for in vain, instead of how a socket closed."""
    found: AbstractContextManager[None] = nullcontext() if world.size == 1 else launcher().peers_answer()
    return found


def added_up(values: Sequence[float], world: World) -> list[float]:
    """Each value, summed over all processes."""
    found: list[float] = [float(v) for v in values] if world.size == 1 else launcher().added_up(values, world)
    return found

"""The processes of a run, joined by `jax.distributed`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from archspec_runtime.job.job import Options
from archspec_runtime.processes.distributed import PeersLost, stop_watching, take_part, this_process
from archspec_runtime.processes.world import Answer, World


class Joined:
    """All processes of `jax.distributed`."""

    def highest(self, values: Sequence[int]) -> list[int]:
        """The highest of each value over all processes."""
        return [int(v) for v in gathered(np.asarray(values, np.int32)).max(0)]

    def ask(self, values: Sequence[int]) -> Answer:
        """The same; nobody asks between the places where the loop waits anyway."""
        found = self.highest(values)
        return lambda: found

    def close(self) -> None:
        """Leave, when all have come this far."""
        jax.distributed.shutdown()  # type: ignore[no-untyped-call]
        stop_watching()


def join(world: World, options: Options) -> World:
    """Find the other processes through MASTER_ADDR and MASTER_PORT. Raises PeersLost."""
    if world.size == 1:
        return world
    with peers_answer():
        first = world.local_rank * options.devices
        jax.distributed.initialize(
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}", world.size, world.rank,
            local_device_ids=list(range(first, first + options.devices)),
            initialization_timeout=options.patience, heartbeat_timeout_seconds=options.patience,
        )  # fmt: skip
    take_part()
    # to ask the others waits for the device, so it is done where the loop waits anyway
    return replace(world, peers=Joined(), each_step=False)


def gathered(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values (N,) of all processes, (processes, N)."""
    from jax.experimental.multihost_utils import process_allgather

    with peers_answer():
        # as 32-bit words, which JAX takes as they are in any precision
        words = np.asarray(process_allgather(np.ascontiguousarray(values).view(np.int32)))
    return np.ascontiguousarray(words).view(values.dtype)


def added_up(values: Sequence[float], world: World) -> list[float]:
    """Each value, summed over all processes."""
    total = np.asarray(values, np.float64)
    return [float(v) for v in (gathered(total).sum(0) if world.size > 1 else total)]


@contextmanager
def peers_answer() -> Iterator[None]:
    """Say who was waited for in vain, instead of how a socket closed."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        text = str(error)
        if not any(word in text for word in ("Gloo", "gloo", "UNAVAILABLE", "DEADLINE_EXCEEDED", "coordination")):
            raise
        raise PeersLost.of(this_process(), silent="DEADLINE" in text or "imed out" in text) from None

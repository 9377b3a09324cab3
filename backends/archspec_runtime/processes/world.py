"""The processes of a run, seen from one of them: which it is, what its share is, and what all of them agree on.

A launcher says who a process is, a framework joins the processes, and gives a World whose `peers` can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from archspec_runtime.errors import FailedElsewhere, RunError
from archspec_runtime.parts import part

Answer = Callable[[], list[int]]


class Peers(Protocol):
    """The other processes, as a framework reaches them. What waits for all raises PeersLost where one is gone."""

    def highest(self, values: Sequence[int]) -> list[int]:
        """The highest of each value over all processes; waits for them."""

    def ask(self, values: Sequence[int]) -> Answer:
        """The same without waiting: a function that gives the answer, and waits for it."""

    def close(self) -> None:
        """Part from the others at the end of a run."""


@dataclass(frozen=True, slots=True)
class World:
    """One of `size` processes. The first, of rank 0, leads: it alone writes the run's folder and shows progress."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # among the processes of this machine
    local_size: int = 1
    launch: str = ""  # names what was launched, with all of its restarts
    restarts: int = 0
    peers: Peers | None = None
    each_step: bool = True  # whether to ask the peers waits for no device, so that every step may ask

    @property
    def leads(self) -> bool:
        """Whether this process writes for all."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of a batch of so many samples: equal parts, in the order of ranks. Raises RunError."""
        if count % self.size:
            fitting = [n for n in range(1, min(count, 2 * self.size) + 1) if count % n == 0]
            near = sorted(sorted(fitting, key=lambda n: abs(n - self.size))[:2])
            noun = "device" if near[-1] == 1 else "devices"
            raise RunError(
                f"a batch of {count} cannot be shared equally by {self.size} devices",
                f"take {' or '.join(map(str, near))} {noun}, or make batch_size a multiple of {self.size}",
            )
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def piece(self, start: int, stop: int) -> slice:
        """This process's part of start to stop, where parts may differ by one and be empty; together they are all."""
        edges = [start + (stop - start) * rank // self.size for rank in (self.rank, self.rank + 1)]
        return slice(*edges)

    def highest(self, *values: int) -> list[int]:
        """The highest of each value over all processes, which must all ask at the same place."""
        return list(values) if self.peers is None else self.peers.highest(values)

    def ask(self, *values: int) -> Answer:
        """The same as a question whose answer is read later; alone it is there at once."""
        return (lambda: list(values)) if self.peers is None else self.peers.ask(values)

    def lead(self, action: Callable[[], int]) -> int:
        """What an action of the first process gives, to all; the others wait. What it raises ends all of them."""
        result, error = 0, None
        if self.leads:
            try:
                result = int(action())
            except RunError as found:
                error = found
        result, code = self.highest(result, error.exit_code if error is not None else 0)
        if error is not None:
            raise error
        if code:
            raise FailedElsewhere(code)
        return result

    def close(self) -> None:
        """Part from the others."""
        if self.peers is not None:
            self.peers.close()


ALONE = World()


def world_of(environment: Mapping[str, str]) -> World:
    """The world that a launcher describes, not yet joined; a single process without one. Raises RunError."""
    if not {"RANK", "WORLD_SIZE"} & environment.keys():
        return World()
    world: World = part("archspec_runtime.processes.distributed", "a run of several processes").world_of(
        environment
    )
    return world

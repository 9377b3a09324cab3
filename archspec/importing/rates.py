"""Rates that grow from block to block, as those of stochastic depth: said as `0.1 * index / 17` where they follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from archspec.importing.entries import Entry

MOST_BLOCKS = 200
EXACT = 1e-9
"""By how much of itself a rate may differ from what the expression gives: both are rounded."""


class Rate(float):
    """A rate that is the `place`-th of so many equal steps up to `largest`."""

    place: int
    growth: Growth

    @classmethod
    def at(cls, value: float, place: int, growth: Growth) -> Rate:
        """A rate with its place."""
        made = cls(value)
        made.place, made.growth = place, growth
        return made

    def follows(self, other: object, count: int) -> bool:
        """Whether it is so many places after another."""
        return isinstance(other, Rate) and self.place == other.place + count

    def counted(self, by: str, offset: int = 0) -> str:
        """The rates from this one on, counted by a name of the language that begins at an offset."""
        first = self.place - offset
        number = by if first == 0 else f"({by} + {first})" if first > 0 else f"({by} - {-first})"
        return f"{self.growth.largest:g} * {number} / {self.growth.steps}"


@dataclass(frozen=True, slots=True)
class Growth:
    """Rates from 0 up to `largest` in so many equal steps."""

    largest: float
    steps: int

    def place(self, value: float) -> int | None:
        """Where a rate stands, None where it is none of these."""
        place = round(value * self.steps / self.largest)
        exact = abs(place * self.largest / self.steps - value) <= EXACT * self.largest
        return place if exact and 0 <= place <= self.steps else None


def with_growth(entries: Sequence[Entry]) -> list[Entry]:
    """Steps whose rates know their place, where all rates of a net grow by one rule."""
    values = {v for entry in entries for v in _rates(entry)}
    growth = _growth(values)
    return [_marked(entry, growth) for entry in entries] if growth else list(entries)


def _rates(entry: Entry) -> Iterable[float]:
    for name, value in entry.args.items():
        if isinstance(value, float) and name.startswith("rate"):
            yield value
    for inner in entry.chain or ():
        yield from _rates(inner)


def _growth(values: set[float]) -> Growth | None:
    if len(values) < 3:
        return None
    top = max(values)
    for steps in range(len(values) - 1, MOST_BLOCKS):
        for last in (steps, steps - 1):
            if last < 1:
                continue
            largest = round(top * steps / last, 3)
            one = Growth(largest, steps)
            if largest > 0 and all(one.place(value) is not None for value in values):
                return one
    return None


def _marked(entry: Entry, growth: Growth) -> Entry:
    args = dict(entry.args)
    for name, value in args.items():
        if isinstance(value, float) and name.startswith("rate") and (place := growth.place(value)) is not None:
            args[name] = Rate.at(value, place, growth)
    chain = entry.chain and tuple(_marked(inner, growth) for inner in entry.chain)
    return replace(entry, args=args, chain=chain)

"""Timing things in turn, A B B A ..., so that a machine whose speed drifts drifts for both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def in_turn(actions: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each action in each counted round."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(-warmup, rounds):
        for name, action in list(actions.items())[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            action()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(first: list[float], second: list[float]) -> float:
    """The median of first over second, round by round."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def line(what: str, value: float, unit: str = "", bound: str = "") -> None:
    """One result, with what it should be."""
    print(f"{what:<68} {value:>9.3f} {unit:<4} {bound}")

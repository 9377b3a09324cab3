"""Patterns of names: which parameters of a net a recipe freezes, or trains with another rate or weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import accumulate


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a parameter, or a module that it is in, has a name of one of these patterns: `fc`, `layer1.*`, `*.bias`."""
    within = [*accumulate(name.split("."), lambda outer, inner: f"{outer}.{inner}")]
    return any(fnmatchcase(part, pattern) for pattern in patterns for part in within)


def scale_of(name: str, scales: Mapping[str, float]) -> float:
    """The factor of the last pattern that a parameter's name matches; 1 where none does."""
    found = [scale for pattern, scale in scales.items() if matches(name, [pattern])]
    return found[-1] if found else 1.0

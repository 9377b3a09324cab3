"""What differs between the recipe that a run was begun with and the one that it is asked for now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from archspec_runtime.recipe.recipe import Recipe, compared
from archspec_runtime.recipe.text import phases
from archspec_runtime.recipe.values import flow


def changes(before: Mapping[str, Any], now: Recipe) -> list[str]:
    """A line for each value that is another, by its dotted key; `before` is what `Recipe.to_dict` wrote."""
    old, new = compared(before, now)
    with suppress(KeyError, TypeError, ValueError, AttributeError):  # a newer version's
        if old["lr"] != new["lr"]:  # as specs write it
            old, new = {**old, "lr": phases(Recipe.from_dict(before).lr)}, {**new, "lr": phases(now.lr)}
    return list(_lines(old, new, ""))


def _lines(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in dict.fromkeys([*now, *before]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _lines(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}: {flow(old)} before, {flow(new)} now"

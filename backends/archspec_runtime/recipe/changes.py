"""What differs between the recipe that a run was begun with and the one that it is asked for now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from archspec_runtime.recipe.recipe import ARITHMETIC, Recipe
from archspec_runtime.recipe.text import phases
from archspec_runtime.recipe.values import flow

FREE = ("keep", "eval_every")
"""What says nothing of what is trained: a run goes on with other values."""


def changes(before: Mapping[str, Any], now: Recipe) -> list[str]:
    """A line for each value that is another, by its dotted key.

    `before` is what `Recipe.to_dict` wrote, maybe in an older version: options that it did not have were at their defaults.
    """
    after = now.to_dict()
    with suppress(KeyError, TypeError, ValueError, AttributeError):  # a newer version's: compared as it stands
        known = Recipe.from_dict(before)
        before = known.to_dict()
        if known.lr != now.lr:  # as specs write it
            before, after = {**before, "lr": phases(known.lr)}, {**after, "lr": phases(now.lr)}
    after = {**after, **{key: before[key] for key in FREE if key in before}}
    if None in (before.get("optimizer"), after["optimizer"]):  # stated in code by one, which is compared as text
        before, after = ({k: v for k, v in one.items() if k not in ARITHMETIC} for one in (before, after))
    return list(_lines(before, after, ""))


def _lines(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in dict.fromkeys([*now, *before]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _lines(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}: {flow(old)} before, {flow(new)} now"

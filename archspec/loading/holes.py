"""Holes: what `archspec import --partial` had no words for, which a spec is refused for."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.diagnostics import Diagnostics, Related, Span
from archspec.syntax.nodes import Node

KEY = "holes"


def tell_holes(root: Node, problems: Diagnostics) -> bool:
    """Record each hole of a spec with its reason and its places; whether there is any."""
    holes = root.get(KEY)
    if holes is None or not holes.items():
        return False
    for name, why in holes.items():
        places = [Related("it stands here", span) for span in _places(root, name)]
        problems.add(
            "AS115",
            f"`{name}` stands for what a spec has no words for: {why.plain()}",
            holes.key_span(name),
            f"put steps in the place of `{name}`, and take it out of `{KEY}`",
            places,
        )
    return True


def _places(node: Node, name: str) -> Iterator[Span]:
    """Where a name is a step, or the operation of one."""
    if isinstance(node.value, list):
        for inner in node.value:
            if inner.value == name:
                yield inner.span
            yield from _places(inner, name)
    for key, inner in node.items():
        if key == KEY:
            continue
        if key == name or (inner.value == name and key != "from"):
            yield node.key_span(key) if key == name else inner.span
        yield from _places(inner, name)

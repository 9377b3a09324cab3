"""Values of a document that know their file, line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from reprlib import repr as repr_of

from archspec.diagnostics import Span
from archspec.syntax.scalars import Scalar, bounded

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)

MAX_DEPTH = 64
MAX_NODES = 50_000


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place; `keys` holds the place of each key of a mapping, `origin` says who set it."""

    value: Scalar | dict[str, Node] | list[Node]
    span: Span
    keys: dict[str, Span] = field(default_factory=dict)
    size: int = 1
    origin: str | None = None

    def plain(self) -> object:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.plain() for v in self.value]
        return self.value

    def get(self, key: str) -> Node | None:
        """The value under a key, None where this is no mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> list[tuple[str, Node]]:
        """The entries of a mapping, none for anything else."""
        return list(self.value.items()) if isinstance(self.value, dict) else []

    def key_span(self, key: str) -> Span:
        """Where a key of this mapping stands."""
        return self.keys.get(key, self.span)


def texts(node: Node | None) -> Iterator[str]:
    """The keys and texts of a document, without the `$` of arguments."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for key, inner in node.value.items():
            yield key
            yield from texts(inner)
    elif isinstance(node.value, list):
        for inner in node.value:
            yield from texts(inner)
    elif isinstance(node.value, str):
        yield node.value.removeprefix("$")


def words(node: Node | None) -> Iterator[str]:
    """The words that may be names in the expressions of a document."""
    for text in texts(node):
        yield from _WORD.findall(text)


def node_of(value: object, span: Span, origin: str | None = None) -> Node:
    """Wrap plain Python values, such as those given to `load(set=...)`, as a document at one place.

    Raises TypeError for what is no value of YAML, for a collection that contains itself, and beyond the limits of a file.
    """
    return _Wrapper(span, origin).wrap(value, 1)


@dataclass(slots=True)
class _Wrapper:
    """Makes nodes of plain values, and counts them."""

    span: Span
    origin: str | None
    nodes: int = 0

    def wrap(self, value: object, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise TypeError(f"part of a spec is nested in more than {MAX_DEPTH} levels, or contains itself")
        if self.nodes > MAX_NODES:
            raise TypeError(f"part of a spec has more than {MAX_NODES:,} values")
        if isinstance(value, Mapping):
            items = {_key_of(k): self.wrap(v, depth + 1) for k, v in value.items()}
            return Node(items, self.span, dict.fromkeys(items, self.span), origin=self.origin)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
            return Node([self.wrap(v, depth + 1) for v in value], self.span, origin=self.origin)
        if value is None or isinstance(value, (str, int, float)):
            return Node(bounded(value), self.span, origin=self.origin)
        raise TypeError(
            f"{repr_of(value)} cannot be part of a spec: give text, a number, a flag, a list or a mapping"
        )


def _key_of(key: object) -> str:
    if isinstance(key, (str, int, float)):
        return str(key)
    raise TypeError(f"{repr_of(key)} cannot be a key of a spec: give text")

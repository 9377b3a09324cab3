"""A word of a spec, and what it is there: a key, a step's name, what is applied, an argument, a reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from archspec.diagnostics import Span
from archspec.language.keys import Key
from archspec.syntax.nodes import Node

Role = Literal[
    "key", "value", "step", "stage", "stage patch", "callee", "shortcut", "modifier", "source", "argument",
    "argument value", "declared argument", "declared block", "declared shortcut", "preset", "change", "extends",
    "recipe", "output", "expression", "block of defaults", "start",
]  # fmt: skip


@dataclass(slots=True, eq=False)
class Word:
    """A word: its text, where it stands, and what it is; what else is known depends on that."""

    text: str
    span: Span
    role: Role
    scope: str = ""  # of its names: empty for the net, `blocks.mine` for a block
    node: Node | None = None  # the value under a key, or the scalar itself
    item: Node | None = None  # the step or stage that it is part of
    path: str = ""  # the dotted path of a key; of a step that with its chain
    key: Key | None = None
    callee: str = ""  # of an argument, what takes it; of a step, what it applies
    sort: str = ""  # of what is applied: `blocks` or `shortcuts`
    argument: str = ""
    at: Span | None = None  # where what a step applies stands, by which the network knows it
    beside: tuple[str, ...] = field(default=())  # the other keys of its mapping


def text_of(node: Node) -> str:
    """A scalar as a word; empty for nothing."""
    return "" if node.value is None or isinstance(node.value, (dict, list)) else str(node.value)

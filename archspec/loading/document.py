"""A spec's document: what was read, extended and overridden, before it is validated."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.syntax.nodes import Node

FILE_NAME = "file name"
"""The origin of the name of a net that has that of its file."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A spec's whole document before it is validated, and what was asked of it.

    `others` are the documents that it would be with presets that change more than arguments, and were not asked for.
    """

    root: Node
    name: str
    preset: str | None
    others: tuple[Node, ...] = ()

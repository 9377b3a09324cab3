"""What steps can apply, and which arguments it takes: operations, roles, the library's blocks, and those of a spec."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from archspec.blocks import FOLDER, blocks, shortcuts
from archspec.diagnostics import Diagnostics, Span
from archspec.language.spec import ROLES
from archspec.ops import OPS
from archspec.ops.arguments import Choice, Flag
from archspec.ops.reference import operation_text
from archspec.syntax.nodes import Node
from archspec.syntax.reader import read_file


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument that something takes: its default or its type as text, and the words that it may be."""

    name: str
    told: str
    required: bool
    words: tuple[str, ...] = ()
    is_layer: bool = False


@dataclass(frozen=True, slots=True)
class Callables:
    """What can be applied in a spec; `own` are the `blocks` and `shortcuts` of it and of those that it extends."""

    own: Mapping[str, Sequence[Node]]

    def names(self, sort: str) -> list[str]:
        """The blocks or the shortcuts there are."""
        library = blocks() if sort == "blocks" else shortcuts()
        return sorted({*library, *(name for node in self.own.get(sort, ()) for name, _ in node.items())})

    def known(self, name: str) -> bool:
        """Whether a step can apply it."""
        return name in OPS or name in ROLES or name in blocks() or self.declared(name, "blocks") is not None

    def declared(self, name: str, sort: str) -> tuple[Node, Span] | None:
        """The declaration of a block or shortcut of the spec's own, and where its name stands."""
        for node in self.own.get(sort, ()):
            if (found := node.get(name)) is not None:
                return found, node.key_span(name)
        return None

    def library_file(self, name: str, sort: str) -> Path | None:
        """The file of a block or shortcut of the library."""
        return (blocks() if sort == "blocks" else shortcuts()).get(name)

    def parameters(self, name: str, sort: str = "blocks") -> dict[str, Parameter]:
        """The arguments that something takes, by name."""
        if sort == "blocks" and name in OPS:
            return _of_operation(name)
        declared = self.declared(name, sort)
        node = declared[0] if declared else _library(name, sort)
        args = node.get("args") if node is not None else None
        return {key: _of_node(key, value) for key, value in args.items()} if args is not None else {}

    def is_layer(self, name: str, argument: str) -> bool:
        """Whether an argument is a layer, such as an activation."""
        found = self.parameters(name).get(argument) if name not in OPS else None
        return found is not None and found.is_layer

    def doc(self, name: str, sort: str = "blocks") -> str:
        """What it computes; empty where nobody says it."""
        if sort == "blocks" and name in OPS:
            return operation_text(name, OPS[name]).partition("\n\n")[2].partition("\n\n")[0]
        declared = self.declared(name, sort)
        node = declared[0] if declared else _library(name, sort)
        doc = node.get("doc") if node is not None else None
        return " ".join(str(doc.value).split()) if doc is not None and doc.value else ""


@cache
def _of_operation(name: str) -> dict[str, Parameter]:
    return {field.name: _of_field(field) for field in dataclasses.fields(OPS[name])}


def _of_field(field: dataclasses.Field[object]) -> Parameter:
    kind, default = field.metadata["kind"], field.default
    words = kind.words if isinstance(kind, Choice) else ("true", "false") if isinstance(kind, Flag) else ()
    if default is dataclasses.MISSING:
        return Parameter(field.name, kind.example, True, words)
    return Parameter(field.name, json.dumps(default, default=str).strip('"'), False, words)


def _of_node(name: str, node: Node) -> Parameter:
    value = node.value
    if isinstance(value, dict):
        return Parameter(name, "a layer", False, is_layer=True)
    if isinstance(value, list):
        words = tuple(str(each.value) for each in value if isinstance(each.value, str))
        return Parameter(name, words[0] if words else json.dumps(node.plain()), False, words)
    is_type = value in ("int", "float", "bool", "pair", "layer")
    words = ("true", "false") if isinstance(value, bool) or value == "bool" else ()
    told = json.dumps(value).strip('"')
    return Parameter(name, told, is_type, words, is_layer=value == "layer")


@cache
def _library(name: str, sort: str) -> Node | None:
    path = (blocks() if sort == "blocks" else shortcuts()).get(name)
    if path is None:
        return None
    return read_file(path, f"archspec/{path.relative_to(FOLDER.parent)}", Diagnostics(), library=True)

"""The nodes of a file one after the other, those of its functions where they are called, each with a path of modules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onnx import FunctionProto, ModelProto, NodeProto

from archspec.errors import ModelError

DEEPEST = 64
"""Calls of functions in one another."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A node with the names that its values have in the whole file, and the path that tells where it stands."""

    node: NodeProto
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    path: str | None

    @property
    def kind(self) -> str:
        """The operation."""
        return str(self.node.op_type)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a function: its path, and what its values are called around it."""

    path: str
    names: Mapping[str, str]

    def name(self, inner: str) -> str:
        """A value of the function by its name in the file."""
        if not inner:
            return ""
        return self.names.get(inner, f"{self.path}/{inner}" if self.path else inner)


def flat(model: ModelProto) -> tuple[list[Flat], dict[str, str]]:
    """The nodes of a model, and the name of the function at each path where one is called. Raises ModelError."""
    functions = {(one.domain, one.name): one for one in model.functions}
    classes: dict[str, str] = {}
    return list(_nodes(model.graph.node, _Call("", {}), functions, classes, 0)), classes


def _nodes(
    nodes: Sequence[NodeProto], call: _Call, functions: Mapping[tuple[str, str], FunctionProto], classes: dict[str, str],
    depth: int,
) -> Iterator[Flat]:  # fmt: skip
    if depth > DEEPEST:
        raise ModelError("the functions of the file call one another without end", "export it anew")
    for number, node in enumerate(nodes):
        inputs = tuple(call.name(name) for name in node.input)
        outputs = tuple(call.name(name) for name in node.output)
        own = path_of(node.name, inside=bool(call.path))
        path = ".".join(part for part in (call.path, own) if part) or None
        function = functions.get((node.domain, node.op_type))
        if function is None:
            yield Flat(node, inputs, outputs, path if own else None)
            continue
        inner = path or f"call{number}"
        classes[inner] = re.sub(r"\d+$", "", function.name) or function.name
        names = dict(zip(function.input, inputs, strict=False)) | dict(zip(function.output, outputs, strict=False))
        yield from _nodes(function.node, _Call(inner, names), functions, classes, depth + 1)


def path_of(name: str, *, inside: bool = False) -> str | None:
    """The path of modules that the name of a node tells: `layer1.0.conv1`, or PyTorch's `/layer1/layer1.0/conv1/Conv`.

    What is inside of a function may be called by a number.
    """
    if name.startswith("/"):
        *modules, _ = name.strip("/").split("/")
        found = ""
        for part in modules:
            around, _, last = part.rpartition(
                "."
            )  # of a sequence, each part has the name of the whole before its own
            own = last if around and f".{found}".endswith(f".{around}") else part
            found = f"{found}.{own}" if found else own
        return found or None
    name = name.partition("/")[0]  # `name/part` of what several nodes are
    return name if re.fullmatch(r"[\w-]+(\.[\w-]+)*", name, re.ASCII) and (inside or name[0].isalpha()) else None


def attributes(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node as numbers, words and lists."""
    from onnx import helper

    found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}

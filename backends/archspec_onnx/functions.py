"""Functions of ONNX: a block that stands several times in a net is said once, and viewers show each place as one node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnx import FunctionProto, NodeProto, TensorProto, helper

from archspec.ir import STEPS, Block, Chain
from archspec.ir.walk import each
from archspec.syntax.identifiers import class_name

DOMAIN = "archspec"
LEAST = 3
"""Nodes of a function: fewer are as easily read where they stand."""

Nodes = list[NodeProto]


@dataclass(frozen=True, slots=True)
class Place:
    """A block at one place of a net: the name of its step, the block, and how deep blocks lie in it."""

    name: str
    block: Block
    height: int


@dataclass(frozen=True, slots=True)
class _Body:
    """The nodes of a place by their names in the block, equal at places that compute the same."""

    nodes: tuple[bytes, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def function(self, name: str, doc: str, opset: int) -> FunctionProto:
        """The function of this body."""
        versions = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
        nodes = [NodeProto.FromString(node) for node in self.nodes]
        made: FunctionProto = helper.make_function(
            DOMAIN, name, self.inputs, self.outputs, nodes, versions, doc_string=doc
        )
        return made


def fold(
    root: Block, nodes: Nodes, constants: Iterable[TensorProto], results: Iterable[str], opset: int
) -> tuple[Nodes, list[FunctionProto]]:
    """The nodes of a net with a call of a function for each block that is there several times, and these functions."""
    known = {constant.name: constant for constant in constants}
    places = list(_places(root, ""))
    functions: dict[_Body, FunctionProto] = {}
    names: set[str] = set()
    for height in sorted({place.height for place in places}):
        found: dict[_Body, list[tuple[Place, slice, list[str], list[str]]]] = {}
        users = _users(nodes, results)
        spans = _spans(nodes, [place for place in places if place.height == height])
        for place, span in spans:
            body, given, given_back = _body(place.name, nodes[span], span, known, users)
            found.setdefault(body, []).append((place, span, given, given_back))
        calls: list[tuple[slice, NodeProto]] = []
        for body, uses in found.items():
            if len(uses) < 2 or len(body.nodes) < LEAST or not body.outputs:
                continue
            definition = uses[0][0].block.definition
            if body not in functions:
                name = _free(definition.class_name or class_name(definition.name), names)
                functions[body] = body.function(name, definition.doc, opset)
            for place, span, given, given_back in uses:
                kind = functions[body].name
                calls.append((span, helper.make_node(kind, given, given_back, name=place.name, domain=DOMAIN)))
        for span, call in sorted(calls, key=lambda pair: -pair[0].start):
            nodes = [*nodes[: span.start], call, *nodes[span.stop :]]
    return nodes, list(functions.values())


def _places(block: Block, prefix: str) -> Iterator[Place]:
    """Every block in a block, at each of its places."""
    for call in block.calls:
        name, target = f"{prefix}{call.name}", call.target
        if call.present and isinstance(target, Block):
            yield from _place(target, name)
        elif call.present and isinstance(target, Chain):
            for index, inner in enumerate(each(target)):
                yield from _place(inner, f"{name}.{index}")


def _place(block: Block, name: str) -> Iterator[Place]:
    """A block at a place, and those in it. A chain that no block declares is written where it stands, as in source."""
    inside = list(_places(block, f"{name}."))
    if block.definition.class_name != STEPS:
        yield Place(name, block, 1 + max((place.height for place in inside), default=0))
    yield from inside


def _spans(nodes: Nodes, places: list[Place]) -> Iterator[tuple[Place, slice]]:
    """The nodes of each place, which follow one another."""
    at = {f"{place.name}.": place for place in places}
    spans: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        words = node.name.split(".")
        for length in range(1, len(words)):
            if (prefix := ".".join(words[:length]) + ".") in at:
                spans.setdefault(prefix, []).append(index)
    for prefix, indices in spans.items():
        if indices[-1] - indices[0] + 1 == len(indices):
            yield at[prefix], slice(indices[0], indices[-1] + 1)


def _users(nodes: Nodes, results: Iterable[str]) -> dict[str, list[int]]:
    """The nodes that take each value; what the net gives is taken by one beyond the last."""
    users: dict[str, list[int]] = {name: [len(nodes)] for name in results}
    for index, node in enumerate(nodes):
        for name in node.input:
            users.setdefault(name, []).append(index)
    return users


def _body(
    name: str, nodes: Nodes, span: slice, constants: Mapping[str, TensorProto], users: Mapping[str, list[int]]
) -> tuple[_Body, list[str], list[str]]:
    """The body of a place, and the values that it takes and gives there."""
    own: dict[str, str] = {"": ""}
    given: list[str] = []
    given_back: list[str] = []
    told: Nodes = []

    def inside(value: str) -> str:
        if value not in own and value in constants:
            own[value] = value.removeprefix(f"{name}.")
            told.append(
                helper.make_node("Constant", [], [own[value]], name=own[value], value=_unnamed(constants[value]))
            )
        elif value not in own:
            around = f"input/{len(given) + 1}" if given else "input"  # no step can be called so
            own[value] = value.removeprefix(f"{name}.") if value.startswith(f"{name}.") else around
            given.append(value)
        return own[value]

    for node in nodes:
        copy = NodeProto.FromString(node.SerializeToString(deterministic=True))
        copy.name = node.name.removeprefix(f"{name}.")
        copy.input[:] = [inside(value) for value in node.input]
        for index, value in enumerate(node.output):
            own[value] = copy.name if len(node.output) == 1 else f"{copy.name}/{index}"
            if any(not span.start <= user < span.stop for user in users.get(value, ())):
                given_back.append(value)
        copy.output[:] = [own[value] for value in node.output]
        told.append(copy)
    body = _Body(
        tuple(node.SerializeToString(deterministic=True) for node in told),
        tuple(own[value] for value in given),
        tuple(own[value] for value in given_back),
    )
    return body, given, given_back


def _unnamed(constant: TensorProto) -> TensorProto:
    copy: TensorProto = TensorProto.FromString(constant.SerializeToString(deterministic=True))
    copy.ClearField("name")
    return copy


def _free(name: str, taken: set[str]) -> str:
    """A name that no function has yet."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    taken.add(free)
    return free

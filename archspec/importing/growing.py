"""Concatenations that grow, as in a dense net: what a layer adds to all before it is said in that layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archspec.importing.traced import Operation, Scope, Traced


def growing(net: Traced) -> Traced:
    """The net with [a, b, c] joined as [[a, b], c] where it joins [a, b] too, by the layer that gives c."""
    operations = list(net.operations)
    made: dict[tuple[str, ...], str] = {}
    alias: dict[str, str] = {}
    place = 0
    while place < len(operations):
        op = operations[place]
        op = replace(op, inputs=tuple(alias.get(value, value) for value in op.inputs))
        operations[place] = op
        if op.kind != "concat" or op.args:
            place += 1
            continue
        values = _flat(op.inputs, made)
        shorter = made.get(values[:-1]) or (values[0] if len(values) == 2 else None)
        made[values] = op.result
        by = next((one for one in operations[:place] if one.result == values[-1]), None)
        if (
            shorter is None
            or by is None
            or (op.inputs == (shorter, values[-1]) and len(values) > 2)
            or not _grows(values, operations)
        ):
            place += 1
            continue
        inputs = (shorter, values[-1])
        scopes = _around(by, shorter, operations)
        del operations[place]
        at = next(i for i, one in enumerate(operations) if one is by) + 1
        operations.insert(at, replace(op, inputs=inputs, scopes=scopes, path=None))
        place += 1
    return replace(net, operations=tuple(operations))


def _flat(values: Sequence[str], made: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    """What is joined, with joined values as what they join."""
    parts = {result: inner for inner, result in made.items()}
    return tuple(part for value in values for part in parts.get(value, (value,)))


def _grows(values: tuple[str, ...], operations: Sequence[Operation]) -> bool:
    """Whether another concatenation begins with these values, or they with another's."""
    if len(values) > 2:
        return True
    others = [op.inputs for op in operations if op.kind == "concat" and not op.args]
    return any(len(other) > 2 and other[:2] == values for other in others)


def _around(by: Operation, shorter: str, operations: Sequence[Operation]) -> tuple[Scope, ...]:
    """The innermost call around the layer that gives the last value which takes the values before from without."""
    before = next((op.scopes for op in operations if op.result == shorter), ())
    inside = {scope.key for scope in before}
    takers = {scope.key for op in operations if shorter in op.inputs and op.kind != "concat" for scope in op.scopes}
    for depth in range(len(by.scopes), 0, -1):
        if by.scopes[depth - 1].key in takers - inside:
            return by.scopes[:depth]
    return tuple(scope for scope in by.scopes if scope.key in inside)

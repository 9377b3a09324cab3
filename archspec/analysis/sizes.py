"""A net on images of another size than its input's: what each operation is given, and whether its parameters fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archspec.ir import Block, Call, Chain
from archspec.ir.network import Network
from archspec.ops import Features, Image, Op, ShapeError, show, typed

Look = Callable[[Call, Op, tuple[Features, ...], str], None]
"""Looks at an operation: its call, the shapes that it is given, and its dotted name."""


def misfit(net: Network, size: tuple[int, int]) -> str | None:
    """Why the net does not take images of this height and width; None where it does, as nets with a global pooling do."""
    try:
        look_through(net, size, _check_weights)
    except ShapeError as error:
        return str(error)
    return None


def _check_weights(call: Call, op: Op, inputs: tuple[Features, ...], name: str) -> None:
    if op.parameters(*inputs) != op.parameters(*call.input_shapes):
        has, gets = show(call.input_shapes[0]), show(inputs[0])
        raise ShapeError("AS605", f"`{name}` has weights for {has} and would be given {gets}")


def look_through(net: Network, size: tuple[int, int], look: Look) -> None:
    """Look at every operation on images of this height and width, at those of equal blocks once. Raises ShapeError."""
    _Walk(look).block(net.root, {"input": Image((net.input_shape[0], *size))}, "")


class _Walk:
    def __init__(self, look: Look) -> None:
        self.look = look
        self.known: dict[tuple[int, tuple[Features, ...]], Features] = {}

    def block(self, block: Block, inputs: Mapping[str, Features], prefix: str) -> Features:
        key = id(block), tuple(inputs.values())
        if key not in self.known:
            values = dict(inputs)
            for call in block.calls:
                shapes = tuple(values[name] for name in call.inputs)
                values[call.name] = self.call(call, shapes, prefix + call.name) if call.present else shapes[0]
            self.known[key] = values[block.output]
        return self.known[key]

    def call(self, call: Call, shapes: tuple[Features, ...], name: str) -> Features:
        target = call.target
        if isinstance(target, Block):
            inputs = dict(zip((n for n, _ in target.inputs), shapes, strict=True))
            return self.block(target, inputs, f"{name}.")
        if isinstance(target, Chain):
            return self.chain(target, shapes[0], name)
        made = typed(target.output_shape(*shapes))
        self.look(call, target, shapes, name)
        return made

    def chain(self, chain: Chain, shape: Features, name: str) -> Features:
        index = 0
        for run in chain.runs:
            ((given, _),) = run.block.inputs
            for _ in range(run.count):
                after = self.block(run.block, {given: shape}, f"{name}.{index}.")
                index += 1
                if after == shape:
                    break  # as it would be after those that are left, which are equal
                shape = after
        return shape

"""A net on images of another size than its input's: what each operation is given, and whether its parameters fit."""

from __future__ import annotations

from collections.abc import Callable

from archspec.ir import Call
from archspec.ir.network import Network
from archspec.ir.walk import walk
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

    def apply(name: str, call: Call, op: Op, given: tuple[Features, ...]) -> Features:
        made = call.shape if given == call.input_shapes else typed(op.output_shape(*given))
        look(call, op, given, name)
        return made

    image: Features = Image((net.input_shape[0], *size))
    walk(net.root, [image], apply, once=True)

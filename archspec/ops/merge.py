"""Operations that join several values into one."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from archspec.ops.arguments import Choice, argument
from archspec.ops.base import Keeps, Op, Shape, ShapeError, SymbolicShape, plus, show, typed
from archspec.ops.shapes import Tokens
from archspec.syntax.expressions import Expr, Literal, Symbol

MANY = sys.maxsize
"""Of inputs: as many as there are."""


def _unequal(wants: str, one: Shape, other: Shape) -> ShapeError:
    """Values that do not go together, and what would make them."""
    if len(one) != len(other):
        help_ = "pool the image to a vector with `global_avg_pool`"
    elif one[1:] == other[1:]:
        help_ = f"give the second {one[0]} channels, as with `{{conv: {{out: {one[0]}, kernel: 1}}}}`"
    else:
        help_ = "bring both to one height and width: look at the strides and paddings before"
    return ShapeError("AS401", f"{wants}, not {show(one)} and {show(other)}", help_)


class Add(Op):
    """The sum of values of one shape."""

    __slots__ = ()
    kind: ClassVar[str] = "add"
    takes_constants: ClassVar[bool] = True
    is_pointwise: ClassVar[bool] = True
    passes_gradient: ClassVar[bool] = True
    is_merge: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, MANY)
    gives: ClassVar[str] = "of two or more equal shapes"

    def output_shape(self, *inputs: Shape) -> Shape:
        for other in inputs[1:]:
            if other != inputs[0]:
                raise _unequal("`add` needs equal shapes", inputs[0], other)
        return inputs[0]


class Stretching(Op):
    """What operations share that stretch sizes of 1: (C, 1, 1) over pixels, (1, H, W) over channels, (1, D) over tokens."""

    __slots__ = ()
    is_pointwise: ClassVar[bool] = True
    takes_constants: ClassVar[bool] = True
    is_merge: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    gives: ClassVar[str] = "of equal shapes, or of such that sizes of 1 stretch to, as (C, 1, 1) to (C, H, W)"

    def output_shape(self, *inputs: Shape) -> Shape:
        largest = typed(max(inputs, key=math.prod))
        for other in map(typed, inputs):
            small = type(other) is type(largest) and len(other) == len(largest)
            if not small or any(n not in (1, most) for n, most in zip(other, largest, strict=True)):
                raise _unequal(f"`{self.kind}` needs equal shapes", inputs[0], other)
        return largest

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        first, *others = inputs
        return tuple(_larger(n, *(o[i] for o in others if len(o) == len(first))) for i, n in enumerate(first))


def _larger(*sizes: Expr) -> Expr:
    """The size of values of which some may be stretched: that of the first that is not."""
    return next((size for size in sizes if size != Literal(1)), Literal(1))


class Mul(Stretching):
    """The product of values."""

    __slots__ = ()
    kind: ClassVar[str] = "mul"
    absorbs_zero: ClassVar[bool] = True
    takes_gates: ClassVar[bool] = True
    inputs: ClassVar[tuple[int, int]] = (2, MANY)


class Sub(Stretching):
    """The first value minus the second."""

    __slots__ = ()
    kind: ClassVar[str] = "sub"
    is_merge: ClassVar[bool] = False
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, 2)


class Div(Stretching):
    """The first value divided by the second."""

    __slots__ = ()
    kind: ClassVar[str] = "div"
    is_merge: ClassVar[bool] = False
    inputs: ClassVar[tuple[int, int]] = (2, 2)


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """The channels of all values, one after the other; over `places`, the tokens of all rows."""

    kind: ClassVar[str] = "concat"
    joins_axes: ClassVar[bool] = True
    takes_constants: ClassVar[bool] = True
    is_merge: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, MANY)
    gives: ClassVar[str] = "channels one after the other; over places tokens"
    over: str = argument(Choice(("channels", "places")), "channels")

    def output_shape(self, *inputs: Shape) -> Shape:
        first = typed(inputs[0])
        axis = first.axis % len(first) if self.over == "channels" else 0
        if self.over == "places" and (not isinstance(first, Tokens) or len(first) != 2):
            message = f"`concat` over places needs tokens in a row, and its input is {first.noun} {show(first)}"
            raise ShapeError("AS404", message, "put `tokens` before it")
        for other in map(typed, inputs[1:]):
            same = type(other) is type(first) and len(other) == len(first)
            if not same or _without(other, axis) != _without(first, axis):
                what = "height and width" if self.over == "channels" else "channels"
                raise _unequal(f"`concat` needs equal {what}", first, other)
        whole = sum(shape[axis] for shape in inputs)
        return type(first)(whole if i == axis else n for i, n in enumerate(first))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        if self.over == "places":
            return inputs[0]
        return tuple(plus(*sizes) for sizes in zip(*inputs, strict=True))  # of which the channels are read


def _without(shape: Shape, axis: int) -> Shape:
    return tuple(n for i, n in enumerate(shape) if i != axis)

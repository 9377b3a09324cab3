"""Operations that join several values into one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar

from archspec.ops.base import Keeps, Op, Shape, ShapeError, SymbolicShape, plus, show
from archspec.syntax.expressions import Apply, Symbol

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
    """What operations share that stretch (C, 1, 1) over the pixels of (C, H, W)."""

    __slots__ = ()
    is_pointwise: ClassVar[bool] = True
    is_merge: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    gives: ClassVar[str] = "of equal shapes; (C, 1, 1) stretches over (C, H, W)"

    def output_shape(self, *inputs: Shape) -> Shape:
        largest = max(inputs, key=lambda shape: shape[1:])
        for other in inputs:
            if other != largest and other != (largest[0], *(1 for _ in largest[1:])):
                raise _unequal(f"`{self.kind}` needs equal shapes", inputs[0], other)
        return largest

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][0], *(Apply("max", sizes) for sizes in zip(*(shape[1:] for shape in inputs), strict=True))


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


class Concat(Op):
    """The channels of all values, one after the other."""

    __slots__ = ()
    kind: ClassVar[str] = "concat"
    passes_gradient: ClassVar[bool] = True
    is_merge: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, MANY)
    gives: ClassVar[str] = "channels one after the other"

    def output_shape(self, *inputs: Shape) -> Shape:
        for other in inputs[1:]:
            if other[1:] != inputs[0][1:]:
                raise _unequal("`concat` needs equal height and width", inputs[0], other)
        return sum(shape[0] for shape in inputs), *inputs[0][1:]

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return plus(*(shape[0] for shape in inputs)), *inputs[0][1:]

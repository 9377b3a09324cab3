"""Operations that join several values into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archspec.ops.base import Keeps, Op, Shape, ShapeError, show

MANY = 64


@dataclass(frozen=True, slots=True)
class Add(Op):
    """The sum of values of one shape."""

    kind: ClassVar[str] = "add"
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, MANY)

    def output_shape(self, *inputs: Shape) -> Shape:
        for other in inputs[1:]:
            if other != inputs[0]:
                raise ShapeError("AS401", f"`add` needs equal shapes, not {show(inputs[0])} and {show(other)}")
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Mul(Op):
    """The product of values of one shape; (C, 1, 1) stretches over the pixels of (C, H, W)."""

    kind: ClassVar[str] = "mul"
    inputs: ClassVar[tuple[int, int]] = (2, MANY)

    def output_shape(self, *inputs: Shape) -> Shape:
        largest = max(inputs, key=lambda shape: shape[1:])
        for other in inputs:
            if other != largest and other != (largest[0], *(1 for _ in largest[1:])):
                raise ShapeError("AS401", f"`mul` needs equal shapes, not {show(inputs[0])} and {show(other)}")
        return largest


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """The channels of all values, one after the other."""

    kind: ClassVar[str] = "concat"
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, MANY)

    def output_shape(self, *inputs: Shape) -> Shape:
        for other in inputs[1:]:
            if other[1:] != inputs[0][1:]:
                raise ShapeError(
                    "AS401", f"`concat` needs equal height and width, not {show(inputs[0])} and {show(other)}"
                )
        return sum(shape[0] for shape in inputs), *inputs[0][1:]

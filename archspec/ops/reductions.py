"""Reductions over the pixels or over the channels, and arithmetic on each number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from archspec.ops.arguments import ArgumentError, Choice, Flag, Real, Shown, argument
from archspec.ops.base import Keeps, Op, Shape, ShapeError, SymbolicShape, Window, show, typed
from archspec.ops.shapes import Vector
from archspec.syntax.expressions import Literal, Symbol


@dataclass(frozen=True, slots=True)
class Reduction(Op):
    """What reductions share: over `pixels` (all places of an image, all tokens) to a vector, or over `channels`."""

    is_expression: ClassVar[bool] = True
    gives: ClassVar[str] = (
        "over pixels (C), with `keep` (C, 1, 1); over channels (1, H, W); of tokens (D), (1, D) or (L, 1)"
    )
    over: str = argument(Choice(("pixels", "channels")), "pixels", Shown.ALWAYS)
    keep: bool = argument(Flag(), False)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        if isinstance(shape, Vector):
            message = f"`{self.kind}` needs an image or tokens, and its input is a vector {show(shape)}"
            raise ShapeError("AS404", message, "put it before what makes a vector")
        if self.over == "channels":
            return type(shape)(1 if i == shape.axis % len(shape) else n for i, n in enumerate(shape))
        if not self.keep:
            return Vector((shape.channels,))
        return type(shape)(n if i == shape.axis % len(shape) else 1 for i, n in enumerate(shape))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        if self.over == "channels":
            return tuple(Literal(1) for _ in inputs[0])
        return inputs[0] if self.keep else inputs[0][:1] if len(inputs[0]) == 3 else inputs[0][-1:]

    def window(self) -> Window | None:
        return None if self.over == "pixels" else ((1, 1), (1, 1))


@dataclass(frozen=True, slots=True)
class Mean(Reduction):
    """The mean."""

    kind: ClassVar[str] = "mean"
    keeps: ClassVar[Keeps] = "nothing"


@dataclass(frozen=True, slots=True)
class Amax(Reduction):
    """The largest number."""

    kind: ClassVar[str] = "amax"


@dataclass(frozen=True, slots=True)
class L2Norm(Reduction):
    """The root of the sum of squares."""

    kind: ClassVar[str] = "l2_norm"


@dataclass(frozen=True, slots=True)
class Sqrt(Op):
    """The square root of each number."""

    kind: ClassVar[str] = "sqrt"
    is_expression: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "output"


@dataclass(frozen=True, slots=True)
class Pow(Op):
    """Each number to the power of `exponent`."""

    kind: ClassVar[str] = "pow"
    is_expression: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True
    exponent: float = argument(Real(), 2.0, Shown.ALWAYS)


class Exp(Op):
    """The exponential of each number."""

    __slots__ = ()
    kind: ClassVar[str] = "exp"
    is_expression: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "output"


@dataclass(frozen=True, slots=True)
class Clip(Op):
    """Each number, but at least `min` and at most `max`."""

    kind: ClassVar[str] = "clip"
    is_expression: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True
    min: float = argument(Real(), -math.inf)
    max: float = argument(Real(), math.inf)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        if made.min >= made.max:
            message = f"`clip` leaves one number of all: `min` is {made.min:g} and `max` {made.max:g}"
            raise ArgumentError("AS104", message, "write a larger `max`, or leave one of both out", "max")
        return made

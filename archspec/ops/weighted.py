"""Operations with weights: convolution, linear, and the learned scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from archspec.ops.arguments import ArgumentError, Flag, Int, Padding, Pair, Real, Shown, argument
from archspec.ops.base import (
    Keeps,
    Op,
    Shape,
    ShapeError,
    SymbolicShape,
    Window,
    channels,
    divides,
    minus,
    part,
    show,
    times,
    windowed,
    windowed_symbols,
)
from archspec.syntax.expressions import Apply, Literal, Symbol


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """A two-dimensional convolution (cross-correlation), grouped or dilated where asked, zeros around.

    Without `padding`, an odd kernel gets d (k - 1) / 2 on each side, which keeps the size at stride 1; an even
    kernel has no such number and must say its own.
    """

    kind: ClassVar[str] = "conv"
    gives: ClassVar[str] = "(out, H', W')"
    is_layer: ClassVar[bool] = True
    out: int = argument(Int(), shown=Shown.NEVER)
    kernel: tuple[int, int] = argument(Pair(), shown=Shown.BARE)
    stride: tuple[int, int] = argument(Pair(), (1, 1))
    padding: tuple[int, int] = argument(
        Padding(absent="left out, an odd kernel keeps the size at stride 1"), (0, 0), Shown.NEVER
    )
    dilation: tuple[int, int] = argument(Pair(), (1, 1))
    groups: int = argument(Int(), 1)
    bias: bool = argument(Flag(), False)
    bias_init: float = argument(Real(), 0.0)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        if "padding" in values:
            return cls(**values)
        kernel, dilation = values["kernel"], values.get("dilation", (1, 1))
        if not all(k % 2 for k in kernel):
            message = f"a kernel of {kernel[0]}x{kernel[1]} needs an explicit `padding`"
            help_ = "an even kernel has no middle: say `padding: 1`, or what it is meant to be"
            raise ArgumentError("AS304", message, help_, "kernel")
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        return cls(**values, padding=padding)

    @classmethod
    def implied_symbols(cls, symbols: Mapping[str, Symbol]) -> dict[str, Symbol]:
        kernel, dilation = symbols.get("kernel"), symbols.get("dilation", Literal(1))
        if "padding" in symbols or kernel is None:
            return {}
        high, wide = (
            Apply("//", (times(part(dilation, side), minus(part(kernel, side), Literal(1))), Literal(2)))
            for side in range(2)
        )
        return {"padding": high if high == wide else (high, wide)}

    def output_shape(self, *inputs: Shape) -> Shape:
        size = windowed(inputs[0], self.kind, self.kernel, self.stride, self.padding, self.dilation)
        divides(inputs[0][0], self.groups, "input channels")
        divides(self.out, self.groups, "output channels")
        return self.out, *size

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        window = (numbers["kernel"], numbers["stride"], numbers["padding"], numbers["dilation"])
        return part(numbers["out"], 0), *windowed_symbols(inputs[0][1:], *window)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        weight = {"weight": (self.out, inputs[0][0] // self.groups, *self.kernel)}
        return weight | ({"bias": (self.out,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        _, height, width = self.output_shape(*inputs)
        return math.prod((self.out, inputs[0][0] // self.groups, *self.kernel, height, width))

    def window(self) -> Window | None:
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (dh * (kh - 1) + 1, dw * (kw - 1) + 1), self.stride


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """y = x W^T + b on a vector (C,)."""

    kind: ClassVar[str] = "linear"
    gives: ClassVar[str] = "(out)"
    is_layer: ClassVar[bool] = True
    out: int = argument(Int(), shown=Shown.NEVER)
    bias: bool = argument(Flag(), True)

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError(
                "AS404",
                f"`linear` needs a vector, and its input is an image {show(inputs[0])}",
                "put `global_avg_pool` or `flatten` before it",
            )
        return (self.out,)

    @property
    def fixed_shape(self) -> Shape:
        return (self.out,)

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return (part(numbers["out"], 0),)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.out, channels(inputs[0]))} | ({"bias": (self.out,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        return self.out * inputs[0][0]


@dataclass(frozen=True, slots=True)
class Scale(Op):
    """Multiply by a constant, or by a learned number for each channel that starts at it."""

    kind: ClassVar[str] = "scale"
    is_pointwise: ClassVar[bool] = True
    value: float = argument(Real(), 1.0, Shown.ALWAYS)
    learned: bool = argument(Flag(), False)

    @property
    def keeps(self) -> Keeps:  # type: ignore[override]
        """A constant is known when the gradient is taken; a learned number's gradient needs the input."""
        return "inputs" if self.learned else "nothing"

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),)} if self.learned else {}

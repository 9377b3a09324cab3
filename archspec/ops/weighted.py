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
    image,
    minus,
    part,
    plus,
    show,
    times,
    typed,
    windowed,
    windowed_symbols,
)
from archspec.ops.shapes import Image
from archspec.syntax.expressions import Apply, Literal, Symbol


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """A two-dimensional convolution (cross-correlation), grouped or dilated where asked, zeros around.

    Without `padding`, an odd kernel gets d (k - 1) / 2 on each side, which keeps the size at stride 1; an even
    kernel has no such number and must say its own.
    """

    kind: ClassVar[str] = "conv"
    starts: ClassVar[tuple[str, ...]] = ("weight", "bias")
    gives: ClassVar[str] = "(out, H', W')"
    is_layer: ClassVar[bool] = True
    has_filters: ClassVar[bool] = True
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
        if values.get("bias_init") and not values.get("bias"):
            raise ArgumentError("AS104", "there is no bias to start there", "write `bias: true`", "bias_init")
        if values.get("gain_init", 1.0) != 1.0 and not values.get("gain"):  # of `std_conv`
            raise ArgumentError("AS104", "there is no gain to start there", "write `gain: true`", "gain_init")
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
class StdConv(Conv):
    """A convolution whose weights are standardized for each output channel (Qiao et al., 2019): mean 0, variance 1.

    With `gain`, a learned factor for each output channel, which starts at `gain_init`, and the whole divided by the root of the
    fan in (Brock et al., 2021). `gamma` is a constant factor, which makes up for what the activation before takes.
    """

    kind: ClassVar[str] = "std_conv"
    starts: ClassVar[tuple[str, ...]] = ()
    eps: float = argument(Real(0.0), 1e-6, Shown.NEVER)
    gain: bool = argument(Flag(), False)
    gain_init: float = argument(Real(), 1.0, later=True)
    gamma: float = argument(Real(), 1.0, Shown.NEVER, later=True)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        gain: dict[str, Shape] = {"gain": (self.out, 1, 1, 1)} if self.gain else {}
        return Conv.parameters(self, *inputs) | gain


@dataclass(frozen=True, slots=True)
class ConvTranspose(Op):
    """A transposed convolution: the gradient of `conv` as an operation of its own, which enlarges by `stride`.

    The result has (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 rows; weights are
    (in, out / groups, h, w).
    """

    kind: ClassVar[str] = "conv_transpose"
    is_layer: ClassVar[bool] = True
    gives: ClassVar[str] = "(out, H', W')"
    out: int = argument(Int(), shown=Shown.NEVER)
    kernel: tuple[int, int] = argument(Pair(), shown=Shown.BARE)
    stride: tuple[int, int] = argument(Pair(), (1, 1))
    padding: tuple[int, int] = argument(Padding(absent="left out, it is 0"), (0, 0), Shown.NEVER)
    output_padding: tuple[int, int] = argument(Padding(absent="left out, it is 0"), (0, 0), Shown.NEVER)
    dilation: tuple[int, int] = argument(Pair(), (1, 1))
    groups: int = argument(Int(), 1)
    bias: bool = argument(Flag(), False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        for more, stride, dilation in zip(made.output_padding, made.stride, made.dilation, strict=True):
            if more >= max(stride, dilation):
                message = f"an output padding of {more} is not less than the stride of {stride}"
                raise ArgumentError("AS104", message, f"add at most {max(stride, dilation) - 1}", "output_padding")
        return made

    def output_shape(self, *inputs: Shape) -> Shape:
        channels_, *size = image(inputs[0], self.kind)
        divides(channels_, self.groups, "input channels")
        divides(self.out, self.groups, "output channels")
        sides = zip(size, self.kernel, self.stride, self.padding, self.output_padding, self.dilation, strict=True)
        result = [(n - 1) * s - 2 * p + d * (k - 1) + more + 1 for n, k, s, p, more, d in sides]
        if min(result) < 1:
            message = f"`conv_transpose` leaves {result[0]}x{result[1]} pixels of its input {show(inputs[0])}"
            raise ShapeError("AS402", message, "use less padding or a larger kernel", "padding")
        return self.out, *result

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        one, two, rows = Literal(1), Literal(2), []
        for side, n in enumerate(inputs[0][1:]):
            k, s, p, more, d = (
                part(numbers[name], side) for name in ("kernel", "stride", "padding", "output_padding", "dilation")
            )
            reach = plus(times(minus(n, one), s), times(d, minus(k, one)), more, one)
            rows.append(minus(reach, times(two, p)))
        return part(numbers["out"], 0), *rows

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        weight: dict[str, Shape] = {"weight": (inputs[0][0], self.out // self.groups, *self.kernel)}
        return weight | ({"bias": (self.out,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        return math.prod((*inputs[0], self.out // self.groups, *self.kernel))


@dataclass(frozen=True, slots=True)
class ChannelConv(Op):
    """A convolution along the channels of a vector or of (C, 1, 1), zeros at the ends (Wang et al., 2020)."""

    kind: ClassVar[str] = "channel_conv"
    kernel: int = argument(Int(), shown=Shown.ALWAYS)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        if values["kernel"] % 2 == 0:
            message = f"a kernel of {values['kernel']} has no middle"
            raise ArgumentError(
                "AS104", message, "choose an odd one, so that there are as many channels after", "kernel"
            )
        return cls(**values)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        if shape.channels != math.prod(shape):
            message = f"`channel_conv` needs one pixel, and its input is {shape.noun} {show(shape)}"
            raise ShapeError("AS404", message, "put `global_avg_pool` before it")
        return shape

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (1, 1, self.kernel)}

    def macs(self, *inputs: Shape) -> int:
        return self.kernel * channels(inputs[0])


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """y = x W^T + b on a vector (C,), or on each token.

    The outputs from the first up to, not including, the second number of `unbiased` go without b, which has places for them.
    """

    kind: ClassVar[str] = "linear"
    starts: ClassVar[tuple[str, ...]] = ("weight", "bias")
    gives: ClassVar[str] = "(out), or (L, out) of tokens"
    is_layer: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True
    out: int = argument(Int(), shown=Shown.NEVER)
    bias: bool = argument(Flag(), True)
    unbiased: tuple[int, int] = argument(Pair(0), (0, 0), Shown.NEVER, later=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        start, stop = made.unbiased
        if made.unbiased != (0, 0) and (not made.bias or not start < stop <= made.out):
            message = f"`unbiased: [{start}, {stop}]` is no range of the {made.out} outputs that have a bias"
            help_ = "write the first output without one, and the first after it that has one again"
            raise ArgumentError("AS104", message, help_, "unbiased")
        return made

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        if isinstance(shape, Image):
            message = f"`linear` needs a vector or tokens, and its input is an image {show(shape)}"
            raise ShapeError("AS404", message, "put `global_avg_pool` or `flatten` before it")
        return type(shape)((*shape[:-1], self.out))

    @property
    def fixed_shape(self) -> Shape:
        return (self.out,)  # of a vector, which it is given where nobody knows

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return *inputs[0][:-1], part(numbers["out"], 0)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.out, channels(inputs[0]))} | ({"bias": (self.out,)} if self.bias else {})

    def macs(self, *inputs: Shape) -> int:
        return self.out * math.prod(inputs[0])


@dataclass(frozen=True, slots=True)
class Scale(Op):
    """Multiply by a constant, or by a learned number for each channel, or with `shared` for all, that starts at it."""

    kind: ClassVar[str] = "scale"
    is_pointwise: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True
    value: float = argument(Real(), 1.0, Shown.ALWAYS)
    learned: bool = argument(Flag(), False)
    shared: bool = argument(Flag(), False, later=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        if values.get("shared") and not values.get("learned"):
            message = "what is shared is a learned number, and this one is constant"
            raise ArgumentError("AS104", message, "write `learned: true`, or take `shared` out", "shared")
        return cls(**values)

    @property
    def keeps(self) -> Keeps:  # type: ignore[override]
        """A constant is known when the gradient is taken; a learned number's gradient needs the input."""
        return "inputs" if self.learned else "nothing"

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (1 if self.shared else channels(inputs[0]),)} if self.learned else {}


@dataclass(frozen=True, slots=True)
class Shift(Op):
    """Add a learned number for each channel, or with `shared` one for all, that starts at `value`."""

    kind: ClassVar[str] = "shift"
    is_pointwise: ClassVar[bool] = True
    passes_gradient: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    value: float = argument(Real(), 0.0)
    shared: bool = argument(Flag(), False)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"bias": (1 if self.shared else channels(inputs[0]),)}

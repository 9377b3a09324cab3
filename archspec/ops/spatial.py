"""Operations that change height and width and have no weights: pooling, padding, subsampling, flattening."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from archspec.ops.arguments import ArgumentError, Choice, Flag, Int, Padding, Pair, Real, Shown, argument
from archspec.ops.base import (
    Keeps,
    Op,
    Shape,
    ShapeError,
    SymbolicShape,
    Window,
    ceiling,
    image,
    minus,
    part,
    plus,
    show,
    times,
    windowed,
    windowed_symbols,
)
from archspec.syntax.expressions import Apply, Literal, Symbol


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """What the poolings share; `ceil` rounds the size up instead of down."""

    gives: ClassVar[str] = "(C, H', W')"
    kernel: tuple[int, int] = argument(Pair(), shown=Shown.BARE)
    stride: tuple[int, int] = argument(Pair(), (1, 1))
    padding: tuple[int, int] = argument(Padding(absent="left out, it is 0"), (0, 0), Shown.NEVER)
    ceil: bool = argument(Flag(), False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        pool = cls(**values)
        for kernel, padding in zip(pool.kernel, pool.padding, strict=True):
            if 2 * padding > kernel:  # a window that lies in the padding alone has no maximum and no mean
                message = f"a padding of {padding} is more than half of the window of {kernel}"
                raise ArgumentError("AS104", message, f"pad at most {kernel // 2}", "padding")
        return pool

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0][0], *windowed(inputs[0], self.kind, self.kernel, self.stride, self.padding, ceil=self.ceil)

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        (channels, *size), window = inputs[0], (numbers["kernel"], numbers["stride"], numbers["padding"])
        return channels, *windowed_symbols(tuple(size), *window, ceil=self.ceil)

    def window(self) -> Window | None:
        return self.kernel, self.stride


class MaxPool(Pool):
    """The largest value under a window; padding never wins."""

    __slots__ = ()
    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True, slots=True)
class AvgPool(Pool):
    """The mean under a window; `count_padding` says whether padded zeros count in its denominator."""

    kind: ClassVar[str] = "avg_pool"
    count_padding: bool = argument(Flag(), False)


@dataclass(frozen=True, slots=True)
class AdaptivePool(Op):
    """What the poolings to a size share: output i of n pools the pixels floor(i H / n) to ceil((i + 1) H / n)."""

    gives: ClassVar[str] = "(C, size), whatever the size of the input"
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)

    def output_shape(self, *inputs: Shape) -> Shape:
        return image(inputs[0], self.kind)[0], *self.size

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][0], *(part(numbers["size"], side) for side in range(2))

    def window(self) -> Window | None:
        return None


class AdaptiveAvgPool(AdaptivePool):
    """The mean of the pixels of each cell of a grid."""

    __slots__ = ()
    kind: ClassVar[str] = "adaptive_avg_pool"
    keeps: ClassVar[Keeps] = "nothing"


class AdaptiveMaxPool(AdaptivePool):
    """The largest pixel of each cell of a grid."""

    __slots__ = ()
    kind: ClassVar[str] = "adaptive_max_pool"


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """Pixels around an image: a constant `value`, the image mirrored about its border pixels, or those repeated."""

    kind: ClassVar[str] = "pad"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"top": 0, "bottom": 0, "left": 0, "right": 0}
    gives: ClassVar[str] = "(C, H + top + bottom, W + left + right)"
    top: int = argument(Int(0), 0)
    bottom: int = argument(Int(0), 0)
    left: int = argument(Int(0), 0)
    right: int = argument(Int(0), 0)
    mode: str = argument(Choice(("constant", "reflect", "edge")), "constant")
    value: float = argument(Real(), 0.0)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        if made.value and made.mode != "constant":
            message = f"`{made.mode}` takes pixels of the image, and no value"
            raise ArgumentError("AS104", message, "write `mode: constant`, or take `value` out", "value")
        return made

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, height, width = image(inputs[0], self.kind)
        for name, size in (("top", height), ("bottom", height), ("left", width), ("right", width)):
            if self.mode == "reflect" and getattr(self, name) >= size:
                message = f"`pad` mirrors {getattr(self, name)} pixels, and its input {show(inputs[0])} has too few"
                raise ShapeError("AS402", message, f"mirror at most {size - 1}, or use another `mode`", name)
        return channels, height + self.top + self.bottom, width + self.left + self.right

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        top, bottom, left, right = (part(numbers[name], 0) for name in ("top", "bottom", "left", "right"))
        channels, height, width = inputs[0]
        return channels, plus(height, top, bottom), plus(width, left, right)


@dataclass(frozen=True, slots=True)
class GlobalAvgPool(Op):
    """The mean over all pixels: a vector (C,), or with `keep` an image (C, 1, 1)."""

    kind: ClassVar[str] = "global_avg_pool"
    gives: ClassVar[str] = "(C), with `keep` (C, 1, 1)"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    keep: bool = argument(Flag(), False)

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, _, _ = image(inputs[0], self.kind)
        return (channels, 1, 1) if self.keep else (channels,)

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return (inputs[0][0], Literal(1), Literal(1)) if self.keep else inputs[0][:1]

    def window(self) -> Window | None:
        return None


class Flatten(Op):
    """All numbers as a vector: of an image channels outermost in every backend, of tokens the tokens."""

    __slots__ = ()
    kind: ClassVar[str] = "flatten"
    gives: ClassVar[str] = "(C H W)"
    is_alias: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"

    def output_shape(self, *inputs: Shape) -> Shape:
        return (math.prod(inputs[0]),)

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return (times(*inputs[0]),)


@dataclass(frozen=True, slots=True)
class Subsample(Op):
    """Every stride-th pixel in each direction, beginning with the first: x[:, ::stride, ::stride]."""

    kind: ClassVar[str] = "subsample"
    gives: ClassVar[str] = "(C, ceil(H / stride), ceil(W / stride))"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"stride": 1}
    stride: tuple[int, int] = argument(Pair(), shown=Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, height, width = image(inputs[0], self.kind)
        return channels, -(-height // self.stride[0]), -(-width // self.stride[1])

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        channels, *size = inputs[0]
        return channels, *(ceiling(n, part(numbers["stride"], index)) for index, n in enumerate(size))

    def window(self) -> Window | None:
        return (1, 1), self.stride


@dataclass(frozen=True, slots=True)
class Upsample(Op):
    """An image resized by `scale`, or to the height and width of a second input (`from: [x, like]`).

    `nearest` takes pixel floor(i H / H'); `bilinear` aligns the outer edges of pixels, or with `align_corners` their centers.
    """

    kind: ClassVar[str] = "upsample"
    inputs: ClassVar[tuple[int, int]] = (1, 2)
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(C, H', W')"
    scale: tuple[int, int] = argument(Pair(), (1, 1))
    mode: str = argument(Choice(("nearest", "bilinear")), "nearest", Shown.ALWAYS)
    align_corners: bool = argument(Flag(), False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        if made.align_corners and made.mode == "nearest":
            raise ArgumentError(
                "AS104", "`nearest` has no corners to align", "write `mode: bilinear`", "align_corners"
            )
        return made

    def output_shape(self, *inputs: Shape) -> Shape:
        depth, height, width = image(inputs[0], self.kind)
        if len(inputs) == 1:
            return depth, height * self.scale[0], width * self.scale[1]
        if self.scale != (1, 1):
            message = "`upsample` has both a `scale` and a second input whose size it takes"
            raise ShapeError("AS307", message, "take one of the two out", "scale")
        return depth, *image(inputs[1], self.kind)[1:]

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        if len(inputs) > 1:
            return inputs[0][0], *inputs[1][1:]
        return inputs[0][0], *(times(n, part(numbers["scale"], side)) for side, n in enumerate(inputs[0][1:]))


class CenterCrop(Op):
    """The middle of an image, as large as a second one: `from: [x, like]`.

    What is cut off is as much on both sides, or a pixel less above and on the left.
    """

    __slots__ = ()
    kind: ClassVar[str] = "center_crop"
    inputs: ClassVar[tuple[int, int]] = (2, 2)
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(C, H, W), height and width those of the second input"

    def output_shape(self, *inputs: Shape) -> Shape:
        depth, *whole = image(inputs[0], self.kind)
        _, *part_ = image(inputs[1], self.kind)
        if any(n < m for n, m in zip(whole, part_, strict=True)):
            message = f"`center_crop` cannot cut {show(tuple(part_))} pixels out of {show(tuple(whole))}"
            raise ShapeError("AS401", message, "list the larger image first: `from: [large, small]`")
        return depth, *part_

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][0], *inputs[1][1:]


@dataclass(frozen=True, slots=True)
class BlurPool(Op):
    """A binomial blur of `kernel` by `kernel` pixels before every `stride`-th is taken, borders mirrored (Zhang, 2019)."""

    kind: ClassVar[str] = "blur_pool"
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(C, H', W')"
    kernel: int = argument(Int(2, 7), 3)
    stride: int = argument(Int(), 2, Shown.ALWAYS)

    @property
    def sides(self) -> tuple[int, int]:
        """Mirrored pixels before and behind."""
        around = self.stride - 1 + self.kernel - 1
        return around // 2, around // 2

    @property
    def taps(self) -> tuple[int, ...]:
        """The binomial coefficients."""
        return tuple(math.comb(self.kernel - 1, i) for i in range(self.kernel))

    def output_shape(self, *inputs: Shape) -> Shape:
        _, *size = image(inputs[0], self.kind)
        if min(size) <= self.sides[0]:
            message = f"`blur_pool` mirrors {self.sides[0]} pixels, and its input {show(inputs[0])} has too few"
            raise ShapeError("AS402", message, "use fewer strides before, or a smaller kernel")
        pads = (self.sides[0], self.sides[0])
        return inputs[0][0], *windowed(inputs[0], self.kind, (self.kernel,) * 2, (self.stride,) * 2, pads)

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        kernel, stride = part(numbers["kernel"], 0), part(numbers["stride"], 0)
        around = plus(minus(stride, Literal(1)), minus(kernel, Literal(1)))
        padding = Apply("//", (around, Literal(2)))
        return inputs[0][0], *windowed_symbols(inputs[0][1:], kernel, stride, padding)

    def window(self) -> Window | None:
        return (self.kernel, self.kernel), (self.stride, self.stride)

"""What an operation is: its arguments, its shape rule and its cost rule, side by side in one class."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Self
from typing import Literal as Words

from archspec.ops.arguments import ArgumentError, Kind
from archspec.ops.shapes import Features, Image, Shape, Tokens, Vector, channels, show, typed
from archspec.syntax.expressions import Apply, Expr, Literal, Symbol

SymbolicShape = tuple[Expr, ...]
"""A shape whose numbers are expressions."""

Keeps = Words["nothing", "inputs", "output", "mask"]

Window = tuple[tuple[int, int], tuple[int, int]]
"""Extent and stride of what one output pixel sees, each (height, width)."""


class ShapeError(ValueError):
    """Inputs that an operation does not take; `code` is that of the diagnostic, `argument` the one that does not suit them."""

    def __init__(self, code: str, message: str, help: str | None = None, argument: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help
        self.argument = argument


@dataclass(frozen=True, slots=True)
class Op:
    """An operation with its arguments evaluated. Subclasses are immutable and know nothing of any framework.

    One without arguments of its own is no dataclass anew: `__slots__ = ()` is enough, and the command line starts sooner.
    """

    kind: ClassVar[str]
    inputs: ClassVar[tuple[int, int]] = (1, 1)  # fewest and most
    gives: ClassVar[str] = "as the input"
    """The result, in the words of the language reference."""
    keeps: ClassVar[Keeps] = "inputs"
    """What has to be kept from the forward pass until the gradient is taken; a mask is one of the result's size."""
    idle: ClassVar[Mapping[str, float]] = {}
    """The arguments, if any, with which the result is the input, whatever the input: code need not say it."""
    zero: ClassVar[Mapping[str, float]] = {}
    """The arguments, if any, with which the result is 0 everywhere, whatever the input; with others they are larger."""
    summands: ClassVar[int | None] = None
    """The place of the first input that may be left out where it is 0, if any."""
    is_layer: ClassVar[bool] = False
    """Whether it counts as a layer of the depth."""
    is_gate: ClassVar[bool] = False
    """Whether the result lies between 0 and 1, and so can weight another value."""
    takes_gates: ClassVar[bool] = False
    """Whether an input may weight the others: one that is a gate, or that stretches over them."""
    is_norm: ClassVar[bool] = False
    """Whether it normalizes: its parameters are counted apart, and start from `init.norm`."""
    pools_batch: ClassVar[bool] = False
    """Whether in training the values of all samples share the mean by which they are normalized."""
    is_merge: ClassVar[bool] = False
    """Whether it can merge the branch of a block with its shortcut."""
    absorbs_zero: ClassVar[bool] = False
    """Whether zeros in one input leave nothing of the others."""
    is_alias: ClassVar[bool] = False
    """Whether the result is the input's numbers under another name, which take no memory of their own."""
    is_pointwise: ClassVar[bool] = False
    """Whether each value of the result is of one value of each input, so that a compiler can fuse it into what comes before."""
    has_filters: ClassVar[bool] = False
    """Whether its `weight` are filters of images (out, in, height, width), which a start of `FILTERS` may be of."""
    passes_gradient: ClassVar[bool] = False
    """Whether the gradient of each input is that of the result, or a piece of it, so that no kernel computes it."""
    makes_constant: ClassVar[bool] = False
    """Whether the result is the same for every sample, and so has no axis of the batch."""
    keeps_constants: ClassVar[bool] = False
    """Whether of such a value it makes another, with or without an axis of the batch."""
    takes_constants: ClassVar[bool] = False
    """Whether inputs may be such values: it stretches them over the batch."""
    joins_axes: ClassVar[bool] = False
    """Whether it puts its inputs side by side, so that all of them need the axis of the batch."""
    starts: ClassVar[tuple[str, ...]] = ()
    """The parameters whose start a step may say (`init`): those of which no argument says it."""
    holds_tensor: ClassVar[bool] = False
    """Whether it keeps a tensor under the name of its step, and no layer that has tensors."""
    is_expression: ClassVar[bool] = False
    """Whether source writes it where it is applied, and not as a layer: among layers it breaks a sequence."""

    @classmethod
    def arguments(cls) -> Mapping[str, Kind]:
        """The arguments by name, in order."""
        return {f.name: f.metadata["kind"] for f in dataclasses.fields(cls)}

    @classmethod
    def required(cls) -> list[str]:
        """The arguments that have no default."""
        return [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make the operation of parsed values. Raises ArgumentError where they do not fit together."""
        return cls(**values)

    @classmethod
    def implied_symbols(cls, symbols: Mapping[str, Symbol]) -> dict[str, Symbol]:
        """How arguments that were not given follow from those that were, as expressions."""
        return {}

    @property
    def attributes(self) -> dict[str, Any]:
        """The arguments as plain numbers, words and pairs."""
        return {name: getattr(self, name) for name in _names(type(self))}

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments that tell it from others of its kind in a fingerprint: all but later ones at their defaults."""
        later = {f.name: f.default for f in dataclasses.fields(self) if f.metadata.get("later")}
        attributes = self.attributes
        return {k: v for k, v in attributes.items() if k not in later or v != later[k]} if later else attributes

    def constant_result(self, *inputs: Shape) -> float | None:
        """What the operation gives whatever its inputs are; None where it depends on them."""
        return None

    def pooled(self, *inputs: Shape) -> int | None:
        """How many values of one sample share the mean by which they are normalized; None for what normalizes nothing."""
        return None

    @property
    def drops_samples(self) -> bool:
        """Whether training zeroes whole samples."""
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of the result. Raises ShapeError."""
        return inputs[0]

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        """The shape of the result in terms of those of the inputs, with the arguments as the spec wrote them.

        A claim, compared with `output_shape` wherever the operation is used before source is written by it.
        """
        return inputs[0]

    @property
    def fixed_shape(self) -> Shape | None:
        """The shape of the result where its arguments alone decide it; None where the inputs do."""
        return None

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        """The learned tensors by name (the layout of weights is (out, in, height, width))."""
        return {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        """The tensors that are kept but not learned."""
        return {}

    def first_channel(self) -> int | None:
        """The first of the channels of its input that an operation hands on as they are; None where it computes others."""
        return None

    def whole_numbers(self) -> frozenset[str]:
        """The buffers that hold whole numbers."""
        return frozenset()

    def macs(self, *inputs: Shape) -> int:
        """Multiply-adds for one sample; convolutions and linear layers only, as the field counts."""
        return 0

    def attention_macs(self, *inputs: Shape) -> int:
        """Multiply-adds for one sample of products of two values, neither of which are weights."""
        return 0

    def window(self) -> Window | None:
        """What one output pixel sees; None where it is the whole image."""
        return (1, 1), (1, 1)

    def is_response(self, source: Op | None) -> bool:
        """Whether the result is what Figure 7 of He et al. (2015) calls a layer response; `source` gave the input."""
        return False

    def has_state(self, *inputs: Shape) -> bool:
        """Whether it keeps numbers from one call to the next, learned or gathered."""
        return bool(self.parameters(*inputs) or self.buffers(*inputs))

    def is_sized(self, *inputs: Shape) -> bool:
        """Whether its layer is made for a number of channels."""
        return self.is_norm or self.has_state(*inputs)

    def summary(self) -> str:
        """Its name with what a reader wants to know of it: kernels, rates, and what is not usual."""
        shown = [
            text
            for field in dataclasses.fields(self)
            if (text := field.metadata["shown"].text(field, getattr(self, field.name)))
        ]
        return f"{self.kind} {', '.join(shown)}".strip()


def _names(kind: type[Op]) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(f.name for f in dataclasses.fields(kind))
    return _NAMES[kind]


_NAMES: dict[type[Op], tuple[str, ...]] = {}


def tensor_name(step: str, tensor: str) -> str:
    """The dotted name of one of a step's tensors; one without a name of its own has the step's."""
    return f"{step}.{tensor}" if tensor else step


def size(shapes: Iterable[Shape]) -> int:
    """How many numbers tensors of these shapes hold together."""
    return sum(math.prod(s) for s in shapes)


def image(shape: Shape, kind: str) -> tuple[int, int, int]:
    """Check that a shape is (C, H, W). Raises ShapeError."""
    found = typed(shape)
    if not isinstance(found, Image):
        message = f"`{kind}` needs an image (C, H, W), and its input is {found.noun} {show(shape)}"
        help_ = "put it before what makes a vector: `global_avg_pool`, `flatten` or `linear`"
        raise ShapeError("AS404", message, help_)
    return shape[0], shape[1], shape[2]


def windowed(
    shape: Shape,
    kind: str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    ceil: bool = False,
) -> tuple[int, int]:
    """Height and width after a window has slid over an image.

    floor((n + 2 p - d (k - 1) - 1) / s) + 1, or with `ceil` the ceiling, less one where the last window would
    start in the padding behind the image (the rule of PyTorch and cuDNN; it is stated in the language reference).
    """
    result = []
    _, height, width = image(shape, kind)
    for n, k, s, p, d in zip((height, width), kernel, stride, padding, dilation, strict=True):
        extent = d * (k - 1) + 1
        room = n + 2 * p - extent
        if room < 0:
            padded = f" ({n + 2 * p} with padding)" if p else ""
            raise ShapeError(
                "AS402",
                f"`{kind}` has a window of {extent} and its input {show(shape)} is only {n} wide or high{padded}",
                "use fewer strides before, a larger input, a smaller kernel or more padding",
            )
        out = (-(-room // s) if ceil else room // s) + 1
        if ceil and (out - 1) * s >= n + p:
            out -= 1
        result.append(out)
    return result[0], result[1]


def windowed_symbols(
    size: SymbolicShape,
    kernel: Symbol,
    stride: Symbol,
    padding: Symbol,
    dilation: Symbol | None = None,
    ceil: bool = False,
) -> SymbolicShape:
    """Height and width after a window has slid over an image: the rule of `windowed` as expressions."""
    one = Literal(1)
    results = []
    for index, n in enumerate(size):
        k, s, p, d = (part(symbol, index) for symbol in (kernel, stride, padding, dilation or one))
        extent = plus(times(d, minus(k, one)), one)
        room = minus(plus(n, times(Literal(2), p)), extent)
        steps: Expr = Apply("//", (room, s))
        if ceil:
            last = Apply("//", (minus(plus(n, p), one), s))
            steps = Apply("min", (ceiling(room, s), last))
        results.append(plus(steps, one))
    return tuple(results)


def part(symbol: Symbol, index: int) -> Expr:
    """One direction of a number or pair."""
    return symbol[index] if isinstance(symbol, tuple) else symbol


def ceiling(number: Expr, divisor: Expr) -> Expr:
    """A quotient, rounded up."""
    return Apply("neg", (Apply("//", (Apply("neg", (number,)), divisor)),))


def plus(*terms: Expr) -> Expr:
    """A sum."""
    if len(terms) > 32:  # so many are no expression that anybody writes, and are not to nest as deep
        middle = len(terms) // 2
        return plus(plus(*terms[:middle]), plus(*terms[middle:]))
    return reduce(lambda a, b: Apply("+", (a, b)), terms)


def minus(one: Expr, other: Expr) -> Expr:
    """A difference."""
    return Apply("-", (one, other))


def times(*factors: Expr) -> Expr:
    """A product."""
    return reduce(lambda a, b: Apply("*", (a, b)), factors)


def divides(channels: int, groups: int, what: str) -> None:
    """Check that channels split evenly into groups. Raises ShapeError."""
    if channels % groups:
        message = f"{channels} {what} do not split into {groups} groups"
        raise ShapeError("AS403", message, "choose a common divisor", "groups")


__all__ = [
    "ArgumentError", "Features", "Image", "Op", "Shape", "ShapeError", "SymbolicShape", "Tokens", "Vector", "Window",
    "ceiling", "channels", "divides", "image", "minus", "part", "plus", "show", "size", "tensor_name", "times", "typed",
    "windowed", "windowed_symbols",
]  # fmt: skip

"""Attention, and tensors that are learned or constant: what transformers are made of beside linear layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from archspec.ops.arguments import ArgumentError, Choice, Flag, Int, Pair, Real, Shapes, Shown, argument
from archspec.ops.base import (
    Keeps,
    Op,
    Shape,
    ShapeError,
    SymbolicShape,
    Window,
    ceiling,
    minus,
    part,
    show,
    times,
    typed,
)
from archspec.ops.shapes import Features, Image, Tokens
from archspec.ops.tokens import fits, tokens
from archspec.syntax.expressions import Literal, Symbol


@dataclass(frozen=True, slots=True)
class Parameter(Op):
    """A learned tensor of this `shape`, of the name of the step; with `batch` its first axis is that of the batch, of size 1.

    It starts as the constant `value`, or from random numbers: `normal` and `trunc_normal` with the standard deviation `std`.
    """

    kind: ClassVar[str] = "parameter"
    inputs: ClassVar[tuple[int, int]] = (0, 0)
    makes_constant: ClassVar[bool] = True
    holds_tensor: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(C), (L, D) or (C, H, W), the same for every sample"
    shape: tuple[int, ...] = argument(Shapes(), shown=Shown.BARE)
    batch: bool = argument(Flag(), False)
    start: str = argument(Choice(("constant", "normal", "trunc_normal", "xavier_uniform")), "constant")
    value: float = argument(Real(), 0.0)
    std: float = argument(Real(0.0), 0.02)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        if made.value and made.start != "constant":
            message = f"`{made.start}` starts from random numbers, and from no value"
            raise ArgumentError("AS104", message, "write `start: constant`, or take `value` out", "value")
        if "std" in values and made.start not in ("normal", "trunc_normal"):
            message = f"`{made.start}` has no standard deviation that one could set"
            raise ArgumentError("AS104", message, "write `start: normal`, or take `std` out", "std")
        return made

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = self.shape[1:] if self.batch else self.shape
        if not 1 <= len(shape) <= 3 or (self.batch and self.shape[0] != 1):
            message = f"`parameter` has the shape {show(self.shape)}, which is that of no vector, tokens or image"
            help_ = "write one to three sizes; with `batch: true` a 1 before them"
            raise ShapeError("AS403", message, help_, "shape")
        return typed(shape)

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        symbols = numbers["shape"]
        sizes = symbols if isinstance(symbols, tuple) else (symbols,)
        return sizes[1:] if self.batch else sizes

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"": self.shape}


@dataclass(frozen=True, slots=True)
class ApplyLinear(Op):
    """y = x W^T + b with weights that are values: `from: [x, weight]`, or `from: [x, weight, bias]`, of parameters."""

    kind: ClassVar[str] = "apply_linear"
    inputs: ClassVar[tuple[int, int]] = (2, 3)
    is_layer: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    takes_constants: ClassVar[bool] = True
    gives: ClassVar[str] = "(out), or (L, out) of tokens; `weight` is (out, D), `bias` (out)"

    def output_shape(self, *inputs: Shape) -> Shape:
        x, weight = typed(inputs[0]), typed(inputs[1])
        if isinstance(x, Image) or len(weight) != 2 or weight[1] != x.channels:
            message = f"`apply_linear` cannot apply weights {show(weight)} to {x.noun} {show(x)}"
            raise ShapeError("AS401", message, f"a parameter of the shape [out, {x.channels}] has them")
        if len(inputs) > 2 and inputs[2] != (weight[0],):
            message = f"`apply_linear` has weights {show(weight)} and a bias {show(inputs[2])}"
            raise ShapeError("AS401", message, f"a parameter of the shape [{weight[0]}] has as many")
        return type(x)((*x[:-1], weight[0]))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return *inputs[0][:-1], inputs[1][0]

    def macs(self, *inputs: Shape) -> int:
        return math.prod(inputs[0][:-1]) * math.prod(inputs[1])


@dataclass(frozen=True, slots=True)
class Attention(Op):
    """softmax(Q K^T / sqrt(D / heads) + bias + mask) V in each of `heads` (Vaswani et al., 2017), without parameters.

    `from: [queries, keys, values]`; a bias (heads, L, L) and after it a mask (windows, L, L) may follow. Projections are steps.
    """

    kind: ClassVar[str] = "attention"
    inputs: ClassVar[tuple[int, int]] = (3, 5)
    takes_constants: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    gives: ClassVar[str] = "(L, D): L of the queries, D of the values"
    summands: ClassVar[int] = 4
    heads: int = argument(Int(), shown=Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        query, key, value = (self._tokens(shape) for shape in inputs[:3])
        if query[:-2] != key[:-2] or query[-1] != key[-1] or key[:-1] != value[:-1]:
            message = "`attention` needs keys as wide as queries and as many values as keys, not "
            raise ShapeError(
                "AS401", message + ", ".join(map(show, inputs[:3])), "list them as `from: [queries, keys, values]`"
            )
        scores = (query[-2], key[-2])
        for extra, first in zip(inputs[3:], (self.heads, *query[:-2]), strict=False):
            if extra != (first, *scores):
                message = f"`attention` needs a bias and a mask of its scores, and was given {show(extra)}"
                raise ShapeError("AS401", message, f"this one is to be {show((first, *scores))}")
        return Tokens((*query[:-1], value[-1]))

    def _tokens(self, shape: Shape) -> Features:
        found = typed(shape)
        if not isinstance(found, Tokens):
            message = f"`attention` needs tokens, and an input is {found.noun} {show(found)}"
            raise ShapeError("AS404", message, "put `tokens` before its projections")
        if found.channels % self.heads:
            message = f"{found.channels} channels do not split into {self.heads} heads"
            raise ShapeError("AS403", message, "choose a common divisor", "heads")
        return found

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return *inputs[0][:-1], inputs[2][-1]

    def attention_macs(self, *inputs: Shape) -> int:
        query, key, value = inputs[:3]
        return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])

    def window(self) -> Window | None:
        return None


@dataclass(frozen=True, slots=True)
class CosineAttention(Attention):
    """softmax(cos(Q, K) scale + bias + mask) V in each of `heads` (Liu et al., 2022): of queries and keys, the directions count.

    `from: [queries, keys, values, scale]` with a scale (heads, 1, 1); a bias and after it a mask may follow, as in `attention`.
    """

    kind: ClassVar[str] = "cosine_attention"
    inputs: ClassVar[tuple[int, int]] = (4, 6)
    summands: ClassVar[int] = 5

    def output_shape(self, *inputs: Shape) -> Shape:
        query, key, value, scale, *more = inputs
        if tuple(scale) != (self.heads, 1, 1):
            message = f"`cosine_attention` needs a scale for each head, and was given {show(scale)}"
            raise ShapeError("AS401", message, f"a parameter of the shape [{self.heads}, 1, 1] is one")
        return Attention.output_shape(self, query, key, value, *more)


@dataclass(frozen=True, slots=True)
class RelativeCoordinates(Op):
    """The distances of places in a window, by which an MLP can compute biases (Liu et al., 2022).

    Of d rows and likewise columns, 8 d / (h - 1) becomes sign(d) log2(1 + |d|) / 3; they are kept as a buffer of the step's name.
    """

    kind: ClassVar[str] = "relative_coordinates"
    inputs: ClassVar[tuple[int, int]] = (0, 0)
    makes_constant: ClassVar[bool] = True
    holds_tensor: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(2 h - 1, 2 w - 1, 2)"
    size: tuple[int, int] = argument(Pair(2), shown=Shown.BARE)

    def output_shape(self, *inputs: Shape) -> Shape:
        return Tokens((*(2 * n - 1 for n in self.size), 2))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        rows, columns = (minus(times(Literal(2), part(numbers["size"], side)), Literal(1)) for side in range(2))
        return rows, columns, Literal(2)

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        return {"": (1, *self.output_shape())}


@dataclass(frozen=True, slots=True)
class RelativePositionBias(Op):
    """The bias of each pair of places in a window, from a table of all their distances (Liu et al., 2021).

    The input is a constant ((2 h - 1) (2 w - 1), heads) or (2 h - 1, 2 w - 1, heads); which row each pair takes is kept as a
    buffer of the step's name, in a row, or with `flat: false` as (h w, h w).
    """

    kind: ClassVar[str] = "relative_position_bias"
    takes_constants: ClassVar[bool] = True
    makes_constant: ClassVar[bool] = True
    holds_tensor: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(heads, h w, h w)"
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)
    flat: bool = argument(Flag(), True)

    def output_shape(self, *inputs: Shape) -> Shape:
        high, wide = self.size
        rows, area, table = (2 * high - 1) * (2 * wide - 1), high * wide, typed(inputs[0])
        if not isinstance(table, Tokens) or table[:-1] not in ((rows,), (2 * high - 1, 2 * wide - 1)):
            message = (
                f"`relative_position_bias` of {high}x{wide} windows needs a table of {rows} rows, not {show(table)}"
            )
            raise ShapeError("AS401", message, f"a parameter of the shape [{rows}, heads] is one")
        return Tokens((table.channels, area, area))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        area = times(*(part(numbers["size"], side) for side in range(2)))
        return inputs[0][-1], area, area

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        area = math.prod(self.size)
        return {"": (area * area,) if self.flat else (area, area)}

    def whole_numbers(self) -> frozenset[str]:
        return frozenset({""})


@dataclass(frozen=True, slots=True)
class AttentionBias(Op):
    """The bias of each pair of pixels by the rows and columns between them, from a table (heads, h w) (Graham et al., 2021).

    With `stride`, the queries are those in every so-manieth row and column.
    """

    kind: ClassVar[str] = "attention_bias"
    takes_constants: ClassVar[bool] = True
    makes_constant: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    gives: ClassVar[str] = "(heads, h w, h w); of queries, ceil(h / stride) ceil(w / stride)"
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)
    stride: int = argument(Int(), 1)

    def output_shape(self, *inputs: Shape) -> Shape:
        table, area = typed(inputs[0]), math.prod(self.size)
        if not isinstance(table, Tokens) or len(table) != 2 or table[1] != area:
            high, wide = self.size
            message = f"`attention_bias` of {high}x{wide} pixels needs a table of {area} columns, not {show(table)}"
            raise ShapeError("AS401", message, f"a parameter of the shape [heads, {area}] is one")
        return Tokens((table[0], math.prod(-(-n // self.stride) for n in self.size), area))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        sides, stride = [part(numbers["size"], side) for side in range(2)], part(numbers["stride"], 0)
        queries = sides if self.stride == 1 else [ceiling(side, stride) for side in sides]
        return inputs[0][0], times(*queries), times(*sides)


@dataclass(frozen=True, slots=True)
class ShiftMask(Op):
    """The mask of windows of a grid that was rolled up and left by `shift`: -100 between what was not together, else 0."""

    kind: ClassVar[str] = "shift_mask"
    makes_constant: ClassVar[bool] = True
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(windows, h w, h w) of a grid (H, W, D)"
    zero: ClassVar[Mapping[str, float]] = {"shift": 0}
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)
    shift: tuple[int, int] = argument(Pair(0), shown=Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, _ = tokens(inputs[0], self.kind, 3)
        fits(inputs[0], self.size)
        area = math.prod(self.size)
        return Tokens((height * width // area, area, area))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        area = times(*(part(numbers["size"], side) for side in range(2)))
        return Literal(1), area, area

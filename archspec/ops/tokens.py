"""Operations between maps and sequences, and on sequences and grids of tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from archspec.ops.arguments import MAX_SIZE, Int, Pair, Shown, argument
from archspec.ops.base import (
    Keeps,
    Op,
    Shape,
    ShapeError,
    SymbolicShape,
    Window,
    image,
    part,
    show,
    times,
    typed,
)
from archspec.ops.shapes import Image, Tokens, Vector
from archspec.syntax.expressions import Literal, Symbol


def tokens(shape: Shape, kind: str, axes: int = 2) -> Tokens:
    """Check that a value is a row (L, D) of tokens, or with three `axes` a grid (H, W, D). Raises ShapeError."""
    found, what = typed(shape), "tokens in a row (L, D)" if axes == 2 else "tokens in a grid (H, W, D)"
    if not isinstance(found, Tokens) or len(found) != axes:
        if isinstance(found, Image):
            help_ = f"put `{'tokens' if axes == 2 else 'channels_last'}` before it"
        elif isinstance(found, Tokens):
            help_ = "put `tokens` before it" if axes == 2 else "make it before the tokens are put in a row"
        else:
            help_ = "put it before what makes a vector"
        message = f"`{kind}` needs {what}, and its input is {found.noun} {show(found)}"
        raise ShapeError("AS404", message, help_)
    return found


@dataclass(frozen=True, slots=True)
class ToTokens(Op):
    """The pixels of an image as tokens in a row, line by line."""

    kind: ClassVar[str] = "tokens"
    is_expression: ClassVar[bool] = True
    is_alias: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(H W, C)"

    def output_shape(self, *inputs: Shape) -> Shape:
        depth, height, width = image(inputs[0], self.kind)
        return Tokens((height * width, depth))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return times(*inputs[0][1:]), inputs[0][0]


@dataclass(frozen=True, slots=True)
class ToImage(Op):
    """Tokens in a row as the pixels of an image of `size`, row by row."""

    kind: ClassVar[str] = "image"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(D, h, w)"
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)

    def output_shape(self, *inputs: Shape) -> Shape:
        length, depth = tokens(inputs[0], self.kind)
        if length != math.prod(self.size):
            message = f"{length} tokens are no image of {self.size[0]}x{self.size[1]} pixels"
            raise ShapeError("AS403", message, "say the height and width that come to as many", "size")
        return Image((depth, *self.size))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][-1], *(part(numbers["size"], side) for side in range(2))


@dataclass(frozen=True, slots=True)
class ChannelsLast(Op):
    """An image (C, H, W) as a grid of tokens (H, W, C)."""

    kind: ClassVar[str] = "channels_last"
    is_expression: ClassVar[bool] = True
    is_alias: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(H, W, C)"

    def output_shape(self, *inputs: Shape) -> Shape:
        depth, height, width = image(inputs[0], self.kind)
        return Tokens((height, width, depth))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][1], inputs[0][2], inputs[0][0]


@dataclass(frozen=True, slots=True)
class ChannelsFirst(Op):
    """A grid of tokens (H, W, C) as an image (C, H, W)."""

    kind: ClassVar[str] = "channels_first"
    is_expression: ClassVar[bool] = True
    is_alias: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(C, H, W)"

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, depth = tokens(inputs[0], self.kind, 3)
        return Image((depth, height, width))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][2], inputs[0][0], inputs[0][1]


@dataclass(frozen=True, slots=True)
class Transpose(Op):
    """Tokens in a row with places and channels exchanged: each channel becomes a token."""

    kind: ClassVar[str] = "transpose"
    is_expression: ClassVar[bool] = True
    is_alias: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(D, L)"

    def output_shape(self, *inputs: Shape) -> Shape:
        length, depth = tokens(inputs[0], self.kind)
        return Tokens((depth, length))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][1], inputs[0][0]


@dataclass(frozen=True, slots=True)
class Select(Op):
    """One token of a row, counted from 0, as a vector."""

    kind: ClassVar[str] = "select"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(D)"
    index: int = argument(Int(0), 0, Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        length, depth = tokens(inputs[0], self.kind)
        if self.index >= length:
            message = f"there is no token {self.index} of {length}"
            raise ShapeError("AS403", message, f"the last is {length - 1}", "index")
        return Vector((depth,))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[0][-1:]


@dataclass(frozen=True, slots=True)
class Roll(Op):
    """A grid of tokens shifted down and right by `shift`; what leaves at one side comes in at the other."""

    kind: ClassVar[str] = "roll"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"shift": 0}
    shift: tuple[int, int] = argument(Pair(-MAX_SIZE), shown=Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        return tokens(inputs[0], self.kind, 3)


@dataclass(frozen=True, slots=True)
class Interleave(Op):
    """Rows (groups, H / groups) of a grid of tokens reordered as (H / groups, groups), and columns alike (Tu et al., 2022)."""

    kind: ClassVar[str] = "interleave"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"groups": 1}
    groups: tuple[int, int] = argument(Pair(), shown=Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape, (high, wide) = tokens(inputs[0], self.kind, 3), self.groups
        if shape[0] % high or shape[1] % wide:
            message = (
                f"a grid of {shape[0]}x{shape[1]} does not split into groups of rows and columns, {high}x{wide}"
            )
            raise ShapeError("AS403", message, "choose numbers that divide height and width", "groups")
        return shape


@dataclass(frozen=True, slots=True)
class Windows(Op):
    """A grid of tokens cut into windows of `size`, each a row of tokens; they follow one another row by row."""

    kind: ClassVar[str] = "windows"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(windows, h w, D)"
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, depth = tokens(inputs[0], self.kind, 3)
        fits(inputs[0], self.size)
        (high, wide), area = self.size, math.prod(self.size)
        return Tokens((height // high * (width // wide), area, depth))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return Literal(1), Literal(1), inputs[0][-1]


@dataclass(frozen=True, slots=True)
class MergePatches(Op):
    """Each 2x2 tokens of a grid as one, their channels one after the other: down the first column, then the second."""

    kind: ClassVar[str] = "merge_patches"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "(H / 2, W / 2, 4 D)"

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, depth = tokens(inputs[0], self.kind, 3)
        fits(inputs[0], (2, 2))
        return Tokens((height // 2, width // 2, 4 * depth))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return Literal(1), Literal(1), times(Literal(4), inputs[0][-1])

    def window(self) -> Window | None:
        return (2, 2), (2, 2)


def fits(shape: Shape, window: tuple[int, int]) -> None:
    """Check that windows tile a grid. Raises ShapeError."""
    if shape[0] % window[0] or shape[1] % window[1]:
        message = f"windows of {window[0]}x{window[1]} do not tile a grid of {shape[0]}x{shape[1]}"
        raise ShapeError("AS403", message, "choose a size that divides height and width", "size")


@dataclass(frozen=True, slots=True)
class Unwindow(Op):
    """Windows put together to the grid of tokens that they were cut from: `from: [windows, grid]`."""

    kind: ClassVar[str] = "unwindow"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    inputs: ClassVar[tuple[int, int]] = (2, 2)
    gives: ClassVar[str] = "(H, W, D), height and width those of the second input"
    size: tuple[int, int] = argument(Pair(), shown=Shown.BARE)

    def output_shape(self, *inputs: Shape) -> Shape:
        count, area, depth = tokens(inputs[0], self.kind, 3)
        height, width, _ = tokens(inputs[1], self.kind, 3)
        fits(inputs[1], self.size)
        if area != math.prod(self.size) or count * area != height * width:
            message = f"{count} windows of {area} tokens are no grid of {height}x{width} in windows of "
            raise ShapeError(
                "AS403", message + f"{self.size[0]}x{self.size[1]}", "say the size that they were cut in", "size"
            )
        return Tokens((height, width, depth))

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        return inputs[1][0], inputs[1][1], inputs[0][-1]

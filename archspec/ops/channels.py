"""Operations that choose and reorder channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from archspec.ops.arguments import ArgumentError, Choice, Int, Shown, argument
from archspec.ops.base import (
    Keeps,
    Op,
    Shape,
    ShapeError,
    SymbolicShape,
    divides,
    image,
    minus,
    part,
    plus,
    show,
    times,
    typed,
)
from archspec.ops.shapes import Features, Tokens
from archspec.syntax.expressions import Symbol


@dataclass(frozen=True, slots=True)
class ChannelShuffle(Op):
    """Channels (groups, C / groups) reordered as (C / groups, groups), so that groups mix (Zhang et al., 2018)."""

    kind: ClassVar[str] = "channel_shuffle"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"groups": 1}
    groups: int = argument(Int(), shown=Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        divides(image(inputs[0], self.kind)[0], self.groups, "channels")
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Slice(Op):
    """The channels from `start` up to `stop`, which is not one of them (0: the end), of each of `groups`; over `places`, tokens.

    Groups are parts of the channels that are cut alike, as where the channels of each head of an attention lie together.
    Places are those of tokens (L, D), as all behind a class token.
    """

    kind: ClassVar[str] = "slice"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "the channels from `start` up to, not including, `stop`; `stop: 0` is the end"
    start: int = argument(Int(0), 0, Shown.ALWAYS)
    stop: int = argument(Int(0), 0, Shown.ALWAYS)
    groups: int = argument(Int(), 1, later=True)
    over: str = argument(Choice(("channels", "places")), "channels", later=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        made = cls(**values)
        if made.over == "places" and made.groups > 1:
            raise ArgumentError(
                "AS104", "groups are of channels, and `over: places` takes tokens", "take one out", "groups"
            )
        return made

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        if self.over == "places":
            return self._places(shape)
        divides(shape.channels, self.groups, "channels")
        channels = shape.channels // self.groups
        stop = self.stop or channels
        if stop > channels:
            whose = f"its input {show(shape)}" if self.groups == 1 else f"a group of its input {show(shape)}"
            message = f"`slice` ends at channel {stop}, and {whose} has {channels}"
            raise ShapeError("AS403", message, f"stop at {channels} at most", "stop")
        if self.start >= stop:
            message = f"`slice` takes no channel: it starts at {self.start} and stops before {stop}"
            raise ShapeError("AS403", message, "channels are counted from 0; start before the stop", "start")
        at = shape.axis % len(shape)
        return type(shape)(self.groups * (stop - self.start) if i == at else n for i, n in enumerate(shape))

    def _places(self, shape: Features) -> Shape:
        if not isinstance(shape, Tokens) or len(shape) != 2:
            message = f"`slice` over places needs tokens (L, D), and its input is {shape.noun} {show(shape)}"
            raise ShapeError("AS404", message, "put `tokens` before it", "over")
        stop = self.stop or shape[0]
        if not self.start < stop <= shape[0]:
            message = f"`slice` takes the places from {self.start} up to {stop}, and its input {show(shape)} has {shape[0]}"
            raise ShapeError("AS403", message, "places are counted from 0", "start")
        return Tokens((stop - self.start, shape[1]))

    def first_channel(self) -> int | None:
        return self.start if self.groups == 1 and self.over == "channels" else None

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        start, stop, groups = (part(numbers[name], 0) for name in ("start", "stop", "groups"))
        if self.over == "places":
            return minus(stop if self.stop else inputs[0][0], start), inputs[0][1]
        if self.stop:
            return tuple(times(groups, minus(stop, start)) for _ in inputs[0])
        return tuple(minus(n, times(groups, start)) for n in inputs[0])  # of which the channels are read


@dataclass(frozen=True, slots=True)
class PadChannels(Op):
    """Channels of zeros before and after those of the input."""

    kind: ClassVar[str] = "pad_channels"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"before": 0, "after": 0}
    gives: ClassVar[str] = "zeros as new channels"
    before: int = argument(Int(0), 0)
    after: int = argument(Int(0), 0)

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, height, width = image(inputs[0], self.kind)
        return channels + self.before + self.after, height, width

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        channels, *size = inputs[0]
        return plus(channels, part(numbers["before"], 0), part(numbers["after"], 0)), *size

"""Operations that choose and reorder channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from archspec.ops.arguments import Int, Shown, argument
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
    typed,
)
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
    """The channels from `start` up to `stop`, which is not among them; without `stop` (0) up to the last."""

    kind: ClassVar[str] = "slice"
    is_expression: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    gives: ClassVar[str] = "the channels from `start` up to, not including, `stop`; `stop: 0` is the end"
    start: int = argument(Int(0), 0, Shown.ALWAYS)
    stop: int = argument(Int(0), 0, Shown.ALWAYS)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        stop = self.stop or shape.channels
        if stop > shape.channels:
            message = f"`slice` ends at channel {stop}, and its input {show(shape)} has {shape.channels}"
            raise ShapeError("AS403", message, f"stop at {shape.channels} at most", "stop")
        if self.start >= stop:
            message = f"`slice` takes no channel: it starts at {self.start} and stops before {stop}"
            raise ShapeError("AS403", message, "channels are counted from 0; start before the stop", "start")
        at = shape.axis % len(shape)
        return type(shape)(stop - self.start if i == at else n for i, n in enumerate(shape))

    def first_channel(self) -> int:
        return self.start

    def symbolic_shape(self, numbers: Mapping[str, Symbol], *inputs: SymbolicShape) -> SymbolicShape:
        start, stop = part(numbers["start"], 0), part(numbers["stop"], 0)
        return tuple(minus(stop if self.stop else n, start) for n in inputs[0])  # of which the channels are read


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

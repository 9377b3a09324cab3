"""Values whose axes are split, merged, ordered anew or taken in part, and the operations of archspec that this comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.ops import Image, Tokens
from archspec.ops.shapes import Features
from archspec_torch.importing.operations import RefusedError

BATCH = -1
"""What stands for the axis of the batch, which a value of archspec has not."""


@dataclass(frozen=True, slots=True)
class Part:
    """A digit of the places along an axis of a value: `size` places, each `step` after the one before."""

    axis: int
    step: int
    size: int


@dataclass(frozen=True, slots=True)
class Arranged:
    """A value in other axes, each made of parts of its own; `starts` are the first places that are left of these."""

    of: str
    source: Features
    axes: tuple[tuple[Part, ...], ...]
    starts: tuple[int, ...]
    factor: float = 1.0
    made: Any = field(default=None, compare=False)  # where in the graph, for what it settles as

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(math.prod(part.size for part in axis) for axis in self.axes)


def whole_value(of: str, source: Features, batch: int, *, windows: bool = False) -> Arranged:
    """A value as it is; those in windows have these as part of their batch."""
    axes = [(Part(axis, 1, size),) if size > 1 else () for axis, size in enumerate(source)]
    first: tuple[Part, ...] = (Part(BATCH, 1, batch),)
    if windows:
        first, axes = first + axes[0], axes[1:]
    return Arranged(of, source, (first, *axes), (0,) * len(source))


def reshaped(x: Arranged, sizes: Sequence[int]) -> Arranged:
    """With its numbers, in their order, in axes of other sizes."""
    parts, axes = [part for axis in x.axes for part in axis], []
    for size in sizes:
        axis: list[Part] = []
        while size > 1:
            part = parts.pop(0) if parts else Part(BATCH, 1, 1)
            if part.size > 1 and size % part.size == 0:
                axis.append(part)
                size //= part.size
            elif part.size % size == 0:
                rest = part.size // size
                axis.append(Part(part.axis, part.step * rest, size))
                parts.insert(0, Part(part.axis, part.step, rest))
                size = 1
            else:
                raise RefusedError(f"values {tuple(x.source)} of a sample arranged as {tuple(sizes)[1:]}")
        axes.append(_joined(axis))
    return replace(x, axes=tuple(axes))


def permuted(x: Arranged, order: Sequence[int]) -> Arranged:
    """With its axes in another order."""
    return replace(x, axes=tuple(x.axes[axis] for axis in order))


def taken(x: Arranged, axis: int, start: int, stop: int, step: int = 1) -> Arranged:
    """With every `step`-th of the places from `start` up to `stop` along an axis."""
    size = x.sizes[axis]
    if (start, min(stop, size), step) == (0, size, 1):
        return x
    if len(x.axes[axis]) != 1 or x.axes[axis][0].axis == BATCH:
        raise RefusedError(f"a slice of axis {axis}")
    (part,) = x.axes[axis]
    count = -(-(min(stop, size) - start) // step)
    left = (Part(part.axis, part.step * step, count),) if count > 1 else ()
    return replace(x, axes=(*x.axes[:axis], left, *x.axes[axis + 1 :]), starts=_moved(x, part, start))


def picked(x: Arranged, axis: int, index: int) -> Arranged:
    """With one of the places along an axis, which is gone."""
    found = x.axes[axis]
    if len(found) > 1 or (found and found[0].axis == BATCH):
        raise RefusedError(f"one of the places of axis {axis}")
    starts = _moved(x, found[0], index % found[0].size) if found else x.starts
    return replace(x, axes=x.axes[:axis] + x.axes[axis + 1 :], starts=starts)


def _moved(x: Arranged, part: Part, places: int) -> tuple[int, ...]:
    return tuple(s + places * part.step if axis == part.axis else s for axis, s in enumerate(x.starts))


def _joined(axis: Sequence[Part]) -> tuple[Part, ...]:
    """Parts that count one axis on, as one."""
    found: list[Part] = []
    for part in axis:
        if found and found[-1].axis == part.axis and found[-1].step == part.step * part.size:
            found[-1] = Part(part.axis, part.step, found[-1].size * part.size)
        else:
            found.append(part)
    return tuple(found)


Steps = Sequence[tuple[str, dict[str, Any]]]
"""Operations one after the other, each with its arguments."""


def settled(x: Arranged, *, windows: bool = False) -> Steps:
    """The operations that give an arranged value, which may be in windows. Raises RefusedError where there are none."""
    if (steps := _settled(x, windows)) is not None:
        return steps if x.factor == 1.0 else [*steps, ("scale", {"value": x.factor})]
    raise RefusedError(f"values {tuple(x.source)} of a sample arranged as {x.sizes[1:]}")


def _settled(x: Arranged, windows: bool) -> Steps | None:
    source, channels = x.source, x.source.axis % len(x.source)
    steps: list[tuple[str, dict[str, Any]]] = []
    cut = cut_channels(x)
    if cut is None:
        return None
    if cut != (1, 0, source.channels):
        groups, start, stop = cut
        given = {"start": start, "stop": 0 if stop * groups == source.channels else stop}
        given = {key: value for key, value in given.items() if value}
        steps.append(("slice", given | ({"groups": groups} if groups > 1 else {})))
        x = _close_up(x, channels, stop - start) if groups > 1 else x
    others = [axis for axis in range(len(source)) if axis != channels]
    form = "|".join(" ".join(_letters(x, axis)) for axis in x.axes)
    if isinstance(source, Image) and (tuple(source[1:]) == (1, 1) or _span(x, 0) == 1):
        form = {"B|C||": "B|C|H|W", "B||H|W": "B|C|H|W"}.get(form, form)
    if isinstance(source, Tokens) and len(source) == 2 and _span(x, 0) == 1:  # an axis of one place has no parts
        form = {"B||D": "B|L|D", "B|D|": "B|D|L"}.get(form, form)
    if isinstance(source, Tokens) and len(source) == 2 and form == "B|D" and (source[0] == 1 or _span(x, 0) == 1):
        return [*steps, ("select", {"index": x.starts[0]} if x.starts[0] else {})]
    if isinstance(source, Tokens) and len(source) == 2 and (left := _span(x, 0)) not in (None, source[0]):
        start, stop = x.starts[0], x.starts[0] + left
        given = {"start": start, "stop": 0 if stop == source[0] else stop}
        steps.append(("slice", {key: value for key, value in given.items() if value} | {"over": "places"}))
    elif any(_span(x, axis) != source[axis] or x.starts[axis] for axis in others):
        return None
    if isinstance(source, Image) and tuple(source[1:]) == (1, 1) and form == "B|C":
        return [*steps, ("flatten", {})]
    sizes = {letter: size for axis in x.axes for letter, size in zip(_letters(x, axis), _sizes(axis), strict=True)}
    kind = "windows" if windows else "image" if isinstance(source, Image) else "row" if len(source) == 2 else "grid"
    made = FORMS.get((kind, form))
    if made is None or len(source) == 1:
        return steps if form == "B|D" and len(source) == 1 else None
    return [*steps, *((kind, {key: _argument(value, sizes) for key, value in args.items()}) for kind, args in made)]


def _close_up(x: Arranged, channels: int, width: int) -> Arranged:
    """With nothing between the parts of the channels that are left, each so wide."""
    outer = max(parts_of(x, channels), key=lambda part: part.step)
    moved = Part(channels, width, outer.size)
    return replace(x, axes=tuple(_joined([moved if part == outer else part for part in axis]) for axis in x.axes))


def cut_channels(x: Arranged) -> tuple[int, int, int] | None:
    """The channels that are left, as parts of which each has those from the second number up to the third; None if others are."""
    channels = x.source.axis % len(x.source)
    start, width = x.starts[channels], _span(x, channels)
    if width is not None:
        return 1, start, start + width
    *inner, outer = sorted(parts_of(x, channels), key=lambda part: part.step)
    width = math.prod(part.size for part in inner)
    follow = all(part.step == math.prod(one.size for one in inner[:place]) for place, part in enumerate(inner))
    every = outer.size * outer.step == x.source.channels and start + width <= outer.step
    return (outer.size, start, start + width) if follow and every else None


def _span(x: Arranged, axis: int) -> int | None:
    """How many places along an axis of the source are left, one after the other; None where they are not."""
    size = 1
    for part in sorted(parts_of(x, axis), key=lambda part: part.step):
        if part.step != size:
            return None
        size *= part.size
    return size


def parts_of(x: Arranged, axis: int) -> Iterator[Part]:
    """The parts that an axis of the source has in the axes of a value."""
    return (part for each in x.axes for part in each if part.axis == axis)


def _letters(x: Arranged, axis: Sequence[Part]) -> list[str]:
    """The parts of an axis by name: `H`, or `H1` and `H2` where the height is in two parts."""
    names = {1: "D", 2: "LD", 3: "CHW" if isinstance(x.source, Image) else "HWD"}[len(x.source)]
    found = []
    for part in axis:
        if part.axis == BATCH:
            found.append("B")
            continue
        ordered = sorted(parts_of(x, part.axis), key=lambda one: -one.step)
        found.append(names[part.axis] + (str(ordered.index(part) + 1) if len(ordered) > 1 else ""))
    return found


def _sizes(axis: Sequence[Part]) -> list[int]:
    return [part.size for part in axis]


def _argument(value: str, sizes: dict[str, int]) -> Any:
    numbers = [sizes.get(letter, 1) for letter in value.split()]
    return numbers[0] if len(set(numbers)) == 1 else numbers


FORMS: dict[tuple[str, str], Sequence[tuple[str, dict[str, str]]]] = {
    ("image", "B|C|H|W"): [],
    ("image", "B|C H W"): [("flatten", {})],
    ("image", "B|H W|C"): [("tokens", {})],
    ("image", "B|C|H W"): [("tokens", {}), ("transpose", {})],
    ("image", "B|H|W|C"): [("channels_last", {})],
    ("image", "B|C2 C1|H|W"): [("channel_shuffle", {"groups": "C1"})],
    ("row", "B|L|D"): [],
    ("row", "B|D|L"): [("transpose", {})],
    ("row", "B|L D"): [("flatten", {})],
    ("row", "B|D|L1|L2"): [("image", {"size": "L1 L2"})],
    ("row", "B|L1|L2|D"): [("image", {"size": "L1 L2"}), ("channels_last", {})],
    ("grid", "B|H|W|D"): [],
    ("grid", "B|D|H|W"): [("channels_first", {})],
    ("grid", "B|H W|D"): [("channels_first", {}), ("tokens", {})],
    ("grid", "B|H W D"): [("flatten", {})],
    ("grid", "B H1 W1|H2 W2|D"): [("windows", {"size": "H2 W2"})],
    ("image", "B H1 W1|H2 W2|C"): [("channels_last", {}), ("windows", {"size": "H2 W2"})],
    ("windows", "B H|W|D"): [],
    ("windows", "B|H1 W1|H2 W2|D"): [("unwindow", {"size": "W1 W2"})],
    ("windows", "B|D|H1 W1|H2 W2"): [("unwindow", {"size": "W1 W2"}), ("channels_first", {})],
}
"""What gives a value in other axes, by the kind of value and the letters of its axes."""


def merged_patches(values: Sequence[Any], axis: int) -> str | None:
    """The grid whose 2x2 tokens are joined, down the first column and then the second; None where it is something else."""
    if len(values) != 4 or not all(isinstance(one, Arranged) and one.of == values[0].of for one in values):
        return None
    first = values[0]
    places = [one.starts[:2] for one in values] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    halves = all(
        one.axes[1:3] == ((Part(0, 2, one.source[0] // 2),), (Part(1, 2, one.source[1] // 2),)) for one in values
    )
    return str(first.of) if len(first.source) == 3 and places and halves and axis in (-1, 3) else None

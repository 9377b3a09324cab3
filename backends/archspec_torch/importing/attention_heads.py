"""Values in heads of an attention: which axes are heads, places and channels, whatever they are arranged of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archspec.ops import Image, Tokens
from archspec_torch.importing.arrangements import BATCH, Arranged, Part, cut_channels, parts_of, whole_value
from archspec_torch.importing.operations import RefusedError


def heads(x: Any, *, turned: bool = False) -> int | None:
    """How many heads a value is in, as (heads, L, D), or turned as (heads, D, L); None where it is in none.

    A single head may have no axis, as (L, D). The places L are those of tokens, in windows or not, or the pixels of an image.
    """
    if not isinstance(x, Arranged) or not isinstance(x.source, (Tokens, Image)) or len(x.source) < 2:
        return None
    axes = [[part.axis for part in axis] for axis in x.axes]
    axes = [*axes[:1], [], *axes[1:]] if len(axes) == 3 else axes
    channels, places, windows = axes_of(x)
    first, head, *last = axes
    last = last[::-1] if turned else last
    full = all(math.prod(part.size for part in parts_of(x, axis)) == x.source[axis] for axis in places)
    if len(axes) != 4 or first != [BATCH, *windows] or not full or last != [_big(x, places), _big(x, [channels])]:
        return None
    return (x.sizes[1] if len(x.axes) == 4 else 1) if head in ([channels], []) else None


def _big(x: Arranged, axes: Sequence[int]) -> list[int]:
    """The axes that have more than one place, of which a value has parts."""
    return [axis for axis in axes if any(True for _ in parts_of(x, axis))]


def axes_of(x: Arranged) -> tuple[int, list[int], list[int]]:
    """Which axes of the source are its channels, its places and its windows."""
    if isinstance(x.source, Image):
        return 0, [1, 2], []
    last = len(x.source) - 1
    grid = len(x.source) == 3 and [part.axis for part in x.axes[0]] == [BATCH]  # of which no windows were cut
    return (last, [0, 1], []) if grid else (last, [last - 1], [0] if last == 2 else [])


def row(x: Arranged) -> Arranged:
    """Tokens with the channels of all heads that they are split into, one head after the other."""
    channels, places, windows = axes_of(x)
    cut = cut_channels(x)
    if cut is None:
        raise RefusedError("heads of an attention that do not follow one another")
    groups, start, stop = cut
    width = stop - start
    parts = [(channels, 1, groups * width)] if groups == 1 else [
        (channels, x.source.channels // groups, groups), (channels, 1, width)
    ]  # fmt: skip
    axes = [tuple(Part(axis, 1, x.source[axis]) for axis in places if x.source[axis] > 1)]
    axes.append(tuple(Part(*part) for part in parts))
    first = (x.axes[0][0], *(Part(axis, 1, x.source[axis]) for axis in windows))
    return replace(x, axes=(first, *axes), factor=1.0)


def in_heads(result: str, shape: Tokens, count: int, batch: int, *, windows: bool, axis: bool) -> Arranged:
    """What an attention gives, as the function does: heads before places; without an axis of a single one if need be."""
    x = whole_value(result, shape, batch, windows=windows)
    channels, width = len(shape) - 1, shape.channels // count
    split = (Part(channels, width, count),) if count > 1 else ()
    own = (Part(channels, 1, width),) if width > 1 else ()
    return replace(x, axes=(x.axes[0], split, x.axes[1], own) if axis else (x.axes[0], x.axes[1], own))


def turned(x: Arranged) -> Arranged:
    """With the last two axes exchanged."""
    return replace(x, axes=(*x.axes[:-2], x.axes[-1], x.axes[-2]))

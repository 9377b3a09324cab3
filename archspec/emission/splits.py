"""Slices that are all of a value, in equal parts: one call splits it, and each has its part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.emission.block_classes import BlockClass, Member
from archspec.ir import Block, Call
from archspec.ops import Op


def splits(cls: BlockClass) -> Iterator[tuple[Member, ...]]:
    """The slices of each value that a class splits in equal parts, in the order of the parts."""
    slices: dict[str, list[Member]] = {}
    for member in cls.members:
        if _start(member.call) is not None and member.when is None:
            slices.setdefault(member.call.inputs[0], []).append(member)
    for members in slices.values():
        ordered = sorted(members, key=lambda member: _start(member.call) or 0)
        if len(ordered) > 1 and all(_are_parts(block, [m.call.name for m in ordered]) for block in cls.instances):
            yield tuple(ordered)


def _start(call: Call) -> int | None:
    return call.target.first_channel() if isinstance(call.target, Op) else None


def _are_parts(block: Block, names: Sequence[str]) -> bool:
    """Whether slices of a block are equal parts of their value, one after the other, without a rest."""
    calls = [call for name in names if (call := block.call(name)) is not None]
    channels, part = calls[0].input_shapes[0].channels, calls[0].shape.channels
    starts = [_start(call) for call in calls]
    return (
        part * len(calls) == channels
        and all(call.shape.channels == part for call in calls)
        and starts == [part * place for place in range(len(calls))]
    )

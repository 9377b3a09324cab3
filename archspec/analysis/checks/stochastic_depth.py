"""Stochastic depth where nothing runs beside it: a sample that is dropped is zeroed whole, and nothing of it is left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from archspec.analysis.checks.places import own_place
from archspec.diagnostics import Diagnostics, Related
from archspec.ir import Block, Call, Chain
from archspec.loading.program import Program


def check_stochastic_depth(net: Program, problems: Diagnostics) -> None:
    """Look for operations that drop whole samples on the only way from the input to the output."""
    for drop in _Search().of(net.root):
        message = (
            f"`{drop.name}` zeroes whole samples in training, with nothing beside it that would be left of them"
        )
        span, related = own_place(net, f"`{drop.call.name}`", drop.way, drop.call.span)
        problems.add("AS312", message, span, "give its block a shortcut, or set the rate to 0", related)


@dataclass(frozen=True, slots=True)
class _Drop:
    """An operation that drops samples: its dotted name, and the calls around it from the outermost on."""

    name: str
    call: Call
    way: tuple[Related, ...] = ()

    def inside(self, call: Call, name: str) -> _Drop:
        """The same as seen from around a call."""
        return _Drop(f"{name}.{self.name}", self.call, (Related(f"`{name}` is here", call.span), *self.way))


class _Search:
    """Those that alone decide whether anything of a sample comes out of a block: of each of its calls the first."""

    def __init__(self) -> None:
        self.known: dict[int, list[_Drop]] = {}

    def of(self, block: Block) -> list[_Drop]:
        """Those of a block; each block is looked through once."""
        if id(block) not in self.known:
            found = []
            for call in block.calls:
                drop = self.first(call) if call.present else None
                if drop is not None and _is_lost(block, {call.name}, {call.name} if drop.call is call else set()):
                    found.append(drop)
            self.known[id(block)] = found
        return self.known[id(block)]

    def first(self, call: Call) -> _Drop | None:
        """The first of a call."""
        target = call.target
        if isinstance(target, Block):
            return next((drop.inside(call, call.name) for drop in self.of(target)), None)
        if not isinstance(target, Chain):
            return _Drop(call.name, call) if target.drops_samples else None
        index = 0
        for run in target.runs:
            if drops := self.of(run.block):
                return drops[0].inside(call, f"{call.name}.{index}")
            index += run.count
        return None


def _is_lost(block: Block, lost: Collection[str], zero: Collection[str]) -> bool:
    """Whether nothing of a sample comes out of a block where these values hold nothing of it, or are zero."""
    lost, zero = set(lost), set(zero)
    for call in block.calls:
        if call.name in lost:
            continue
        inputs, target = call.inputs if call.present else call.inputs[:1], call.target
        if lost.issuperset(inputs):
            lost.add(call.name)
        elif isinstance(target, Block) and not lost.isdisjoint(inputs):
            given = dict(zip(call.inputs, (name for name, _ in target.inputs), strict=True))
            if _is_lost(
                target, {given[name] for name in inputs if name in lost}, {given[n] for n in inputs if n in zero}
            ):
                lost.add(call.name)
        elif not isinstance(target, (Block, Chain)) and target.absorbs_zero and not zero.isdisjoint(inputs):
            lost.add(call.name)
            zero.add(call.name)
    return block.output in lost

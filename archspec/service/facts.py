"""What a network knows of each step and stage of its spec: shapes, cost, names, by the place where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from archspec.analysis.receptive_field import Field, fields_of
from archspec.diagnostics import Span
from archspec.ir import Block, Call, Chain
from archspec.ir.cost import Cost, call_cost
from archspec.ir.network import Network
from archspec.ops import show

At = tuple[str, int, int]
"""A place: the name of the source, line and column."""


@dataclass(slots=True, eq=False)
class Fact:
    """What is true of a step: of the first place where it is in the net, whose calls share it; `times` counts all of them."""

    call: Call
    cost: Cost
    names: list[str] = field(default_factory=list)  # dotted, one for each use of its block; equal repeats once
    times: int = 0
    varies: bool = False  # whether other uses have other shapes

    @property
    def shape(self) -> str:
        """Its result, such as `64 x 56 x 56`."""
        return show(self.call.shape)


@dataclass(slots=True, eq=False)
class Facts:
    """The facts of a network by place."""

    net: Network
    by_place: dict[At, Fact] = field(default_factory=dict)
    _fields: dict[str, Field] | None = None

    @classmethod
    def of(cls, net: Network) -> Facts:
        """Gather what a network knows."""
        facts = cls(net)
        for name, call, times in _calls(net.root, "", 1):
            place = at(call.span)
            known = facts.by_place.get(place)
            if known is None:
                known = facts.by_place[place] = Fact(call, call_cost(call))
            known.names.append(name)
            known.times += times
            known.varies = known.varies or call.shape != known.call.shape
        return facts

    def receptive_field(self, fact: Fact) -> tuple[int, int] | None:
        """(height, width) in pixels of the input that one value depends on; None where no operation says it."""
        if self._fields is None:
            self._fields = fields_of(self.net)
        last = fact.names[0]
        target: object = fact.call.target
        while isinstance(target, (Block, Chain)):
            if isinstance(target, Chain):
                last, target = f"{last}.{len(target) - 1}", target.runs[-1].block
            else:
                inner = target.call(target.output)
                if inner is None:
                    return None
                last, target = f"{last}.{inner.name}", inner.target
        found = self._fields.get(last)
        return None if found is None else found[:2]

    def tensors(self, fact: Fact) -> list[str]:
        """The keys of checkpoints that belong to a step, in all uses of it; of equal repeats the first."""
        prefixes = tuple(fact.names)
        return [key for key in self.net.tensor_shapes() if key.startswith(tuple(f"{name}." for name in prefixes))
                or key in prefixes]  # fmt: skip


def at(span: Span) -> At:
    """The place of a span."""
    return span.source.name, span.line, span.column


def _calls(block: Block, prefix: str, times: int) -> Iterator[tuple[str, Call, int]]:
    """Every call that is there with its dotted name, and how often it is; equal blocks of a stage are met once."""
    for call in block.calls:
        if not call.present:
            continue
        name, target = f"{prefix}{call.name}", call.target
        yield name, call, times
        if isinstance(target, Block):
            yield from _calls(target, f"{name}.", times)
        elif isinstance(target, Chain):
            index = 0
            for run in target.runs:
                yield from _calls(run.block, f"{name}.{index}.", times * run.count)
                index += run.count

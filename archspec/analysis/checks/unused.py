"""Values that reach no output: layers that are computed and never trained, and steps without effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from archspec.analysis.checks.places import own_place
from archspec.diagnostics import Diagnostics, Related, Span
from archspec.ir import Block, Call, Chain, tapped
from archspec.ir.cost import block_cost, op_cost
from archspec.ir.graph import holds_place
from archspec.ir.liveness import live_values, wanted
from archspec.loading.program import Program
from archspec.ops import Op


def check_unused(net: Program, problems: Diagnostics) -> None:
    """Look for values that nothing takes.

    One with parameters before it is a mistake wherever a block has it, for they are never trained. One without is
    worth a warning, unless another instance of the block makes use of it.
    """
    found = _Search()
    found.block(net.root, "")
    used = {_key(call) for call in found.used} if found.dead else set()
    for key, dead in found.dead.items():
        span, related = own_place(net, f"`{dead.name}`", dead.way, dead.span)
        if dead.params:
            message = f"{_said(dead)} reaches no output: {_parameters(dead.params)} are never trained"
            help_ = "let a later step take it with `from`, take it out, or give it the condition of what takes it"
            problems.add("AS310", message, span, help_, related)
        elif key not in used:
            message = f"{_said(dead)} reaches no output: it is computed for nothing"
            help_ = "let a later step take it with `from`, or take it out"
            problems.add("AS311", message, span, help_, related)


def _said(dead: _Dead) -> str:
    return f"`{dead.name}`, with {dead.before} before it," if dead.before else f"`{dead.name}`"


def _parameters(count: int) -> str:
    return "its 1 parameter" if count == 1 else f"its {count:,} parameters"


@dataclass(frozen=True, slots=True)
class _Dead:
    """A value that nothing takes, and what is computed for it alone."""

    name: str
    span: Span
    params: int
    before: str
    way: tuple[Related, ...]


Key = tuple[Span, str]
"""A step as it is written, whatever instance of its block it is in."""


@dataclass(slots=True)
class _Search:
    dead: dict[Key, _Dead] = field(default_factory=dict)
    used: list[Call] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    within: list[Related] = field(default_factory=list)

    def block(self, block: Block, prefix: str, results: Sequence[str] | None = None) -> None:
        """Look through one instance of a block, and through those inside it, each once; `results` are those in use."""
        if id(block) in self.seen:
            return
        self.seen.add(id(block))
        live = live_values(block, results)
        dead = [c for c in block.calls if c.present and c.name not in live and live.isdisjoint(tapped(c))]
        used = [call for call in block.calls if call.present and call not in dead]
        self.used += used
        taken = {name for call in dead for name in call.inputs}
        lent = {call.owner for call in used}
        for call in dead:
            if call.name not in taken and not holds_place(call):
                self._record(call, _only_for(call, dead), prefix, lent)
        for call in used:
            if not isinstance(call.target, Op):
                self._inside(call, prefix, wanted(call, live) if isinstance(call.target, Block) else None)

    def _inside(self, call: Call, prefix: str, results: Sequence[str] | None) -> None:
        for index, inner in _blocks(call):
            self.within.append(Related(f"`{prefix}{call.name}` is here", call.span))
            self.block(inner, f"{prefix}{call.name}.{'' if index is None else f'{index}.'}", results)
            self.within.pop()

    def _record(self, call: Call, before: Sequence[Call], prefix: str, lent: Collection[str | None]) -> None:
        """Record a value that nothing takes; parameters that a step in use has as well are trained there."""
        params = sum(_params(each) for each in (*before, call) if each.owner is None and each.name not in lent)
        names = ", ".join(f"`{each.name}`" for each in before)
        found = _Dead(f"{prefix}{call.name}", call.span, params, names, tuple(self.within))
        key = _key(call)
        if key not in self.dead or (params and not self.dead[key].params):
            self.dead[key] = found


def _key(call: Call) -> Key:
    return call.span, call.name


def _only_for(call: Call, dead: Sequence[Call]) -> list[Call]:
    """What is computed before a value that nothing takes, and for it alone."""
    wanted, found = set(call.inputs), list[Call]()
    for each in reversed(dead):
        if each.name in wanted:
            found.append(each)
            wanted.update(each.inputs)
    return found[::-1]


def _blocks(call: Call) -> Iterator[tuple[int | None, Block]]:
    if isinstance(call.target, Block):
        yield None, call.target
    elif isinstance(call.target, Chain):
        index = 0
        for run in call.target.runs:
            yield index, run.block
            index += run.count


def _params(call: Call) -> int:
    target = call.target
    if isinstance(target, Chain):
        return sum(block_cost(run.block).params * run.count for run in target.runs)
    return block_cost(target).params if isinstance(target, Block) else op_cost(target, call.input_shapes).params

"""A chain of steps under a name: a block without a declaration, whose steps are called 0, 1, 2, ... in order.

It has no arguments of its own. Those of the block around it that its steps use are handed on, so that source can be written in
their terms wherever the chain stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archspec.expansion.builder import Graph
from archspec.ir import STEPS, Block, Call, Definition
from archspec.syntax.expressions import Expr, Name, Symbol, Value, names, substitute

_AROUND = "in_channels of the block around"
"""The argument for them: in the chain, `in_channels` are those of its first step. No argument of a spec can be called so."""

_IN_CHAIN: Mapping[str, Symbol] = {"in_channels": Name(_AROUND)}
"""What names of the block around are in a chain."""


def definition_of(length: int, origin: object) -> Definition:
    """What a chain of so many steps is an instance of; `origin` is the step of the spec."""
    steps = "1 step" if length == 1 else f"{length} steps"
    return Definition(steps, STEPS, "", (), {}, positional=True, origin=origin)


def chain_block(
    definition: Definition, graph: Graph, scope: Mapping[str, Value]
) -> tuple[Block, dict[str, Symbol]]:
    """The block of a graph that holds a chain's steps, and what it is given where it stands: the names that they use."""
    assert graph.shape is not None
    known = {_AROUND if name == "in_channels" else name: value for name, value in scope.items()}
    numbers = {name for name, value in known.items() if isinstance(value, (int, float, tuple))}
    calls = tuple(_handed_on(call, numbers) for call in graph.calls)
    numbers_of = [symbol for call in calls for symbol in call.symbols.values()]
    conditions = [c.when for c in calls if c.when is not None] + [substitute(c, _IN_CHAIN) for c in graph.unmet]
    decided = [c for c in conditions if names(c) <= numbers]
    used = sorted({name for symbol in [*numbers_of, *decided] for name in _names(symbol)} & known.keys())
    args: dict[str, Value] = {"in_channels": graph.inputs[0][1].channels, **{name: known[name] for name in used}}
    block = Block(definition, args, graph.inputs, calls, graph.current, graph.shape)
    return block, {name: Name("in_channels" if name == _AROUND else name) for name in used}


def _handed_on(call: Call, numbers: set[str]) -> Call:
    """A call in the names of the chain; a condition on anything but numbers has been decided."""
    if not call.symbols and call.when is None:
        return call
    when = substitute(call.when, _IN_CHAIN) if call.when is not None else None
    if when is not None and not names(when) <= numbers:
        when = None
    return replace(call, symbols={name: _there(symbol) for name, symbol in call.symbols.items()}, when=when)


def _there(symbol: Symbol) -> Symbol:
    if isinstance(symbol, tuple):
        return tuple(substitute(each, _IN_CHAIN) for each in symbol)
    return substitute(symbol, _IN_CHAIN)


def _names(symbol: Symbol) -> set[str]:
    parts: tuple[Expr, ...] = symbol if isinstance(symbol, tuple) else (symbol,)
    return set().union(*map(names, parts))

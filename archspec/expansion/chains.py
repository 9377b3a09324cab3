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


def definition_of(length: int) -> Definition:
    """What a chain of so many steps is an instance of."""
    steps = "1 step" if length == 1 else f"{length} steps"
    return Definition(steps, STEPS, "", (), {}, positional=True)


def chain_block(
    definition: Definition, graph: Graph, scope: Mapping[str, Value]
) -> tuple[Block, dict[str, Symbol]]:
    """The block of a graph that holds a chain's steps, and what it is given where it stands: the names that they use."""
    assert graph.shape is not None
    calls = tuple(_handed_on(call) for call in graph.calls)
    known = {_AROUND if name == "in_channels" else name: value for name, value in scope.items()}
    used = sorted(
        {name for call in calls for symbol in call.symbols.values() for name in _names(symbol)} & known.keys()
    )
    args: dict[str, Value] = {"in_channels": graph.inputs[0][1].channels, **{name: known[name] for name in used}}
    block = Block(definition, args, graph.inputs, calls, graph.current, graph.shape)
    return block, {name: Name("in_channels" if name == _AROUND else name) for name in used}


def _handed_on(call: Call) -> Call:
    """A call in the names of the chain; a condition has been decided."""
    return replace(call, symbols={name: _there(symbol) for name, symbol in call.symbols.items()}, when=None)


def _there(symbol: Symbol) -> Symbol:
    around: dict[str, Symbol] = {"in_channels": Name(_AROUND)}
    if isinstance(symbol, tuple):
        return tuple(substitute(each, around) for each in symbol)
    return substitute(symbol, around)


def _names(symbol: Symbol) -> set[str]:
    parts: tuple[Expr, ...] = symbol if isinstance(symbol, tuple) else (symbol,)
    return set().union(*map(names, parts))

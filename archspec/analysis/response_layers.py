"""Which layers Figure 7 of He et al. (2015) is about: batch normalizations that follow a 3x3 convolution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from archspec.ir import Block, Call, Chain
from archspec.ir.network import Network
from archspec.ops import Op


class _Value(NamedTuple):
    """What gave a value; None for an input of the net."""

    op: Op | None


def responding_layers(net: Network) -> list[str]:
    """The dotted names of the batch normalizations whose input is that of a 3x3 convolution, in order of execution."""
    names: list[str] = []
    _follow(net.root, [_Value(None)], "", names)
    return names


def _follow(block: Block, inputs: list[_Value], prefix: str, names: list[str]) -> _Value:
    """Follow the values through a block, with what gave its inputs; gives what gave its output."""
    values = {name: value for (name, _), value in zip(block.inputs, inputs, strict=True)}
    for call in block.calls:
        sources = [values[source] for source in call.inputs]
        values[call.name] = _result(call, sources, f"{prefix}{call.name}", names)
    return values[block.output]


def _result(call: Call, sources: list[_Value], name: str, names: list[str]) -> _Value:
    target = call.target
    if not call.present:
        return sources[0]
    if isinstance(target, Block):
        return _follow(target, sources, f"{name}.", names)
    if isinstance(target, Chain):
        for index, block in enumerate(_blocks(target)):
            sources = [_follow(block, sources, f"{name}.{index}.", names)]
        return sources[0]
    if sources and target.is_response(sources[0].op):
        names.append(name)
    return _Value(target)


def _blocks(chain: Chain) -> Iterator[Block]:
    for run in chain.runs:
        yield from [run.block] * run.count

"""The textual form of a network: every value with its shape, blocks nested, repeats collapsed."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.ir.graph import Block, Call, Chain
from archspec.ir.network import Network
from archspec.ops import Op, show


def to_text(net: Network) -> str:
    """The whole network."""
    head = f"net {net.name} (input: {show(net.input_shape)}) -> {show(net.output_shape)} {{"
    return "\n".join([head, *_body(net.root, "  "), "}"]) + "\n"


def _body(block: Block, pad: str) -> Iterator[str]:
    for call in block.calls:
        if call.present:
            yield from _call(call, pad)
        else:
            yield f"{pad}{call.name} = {call.inputs[0]} : {show(call.shape)}"
    yield f"{pad}return {block.output}"


def _call(call: Call, pad: str) -> Iterator[str]:
    head = f"{pad}{call.name} = "
    inputs, shape = ", ".join(call.inputs), show(call.shape)
    if isinstance(call.target, Op):
        options = " ".join(f"{k}={_value(v)}" for k, v in call.target.attributes.items())
        yield f"{head}{call.target.kind}({inputs}){f' [{options}]' if options else ''} : {shape}"
    elif isinstance(call.target, Block):
        yield f"{head}{_instance(call.target)}({inputs}) : {shape} {{"
        yield from _body(call.target, pad + "  ")
        yield f"{pad}}}"
    else:
        yield from _chain(call.target, head, inputs, shape, pad)


def _chain(chain: Chain, head: str, inputs: str, shape: str, pad: str) -> Iterator[str]:
    yield f"{head}chain({inputs}) : {shape} {{"
    for run in chain.runs:
        yield f"{pad}  {run.count} x {_instance(run.block)} : {show(run.block.shape)} {{"
        yield from _body(run.block, pad + "    ")
        yield f"{pad}  }}"
    yield f"{pad}}}"


def _instance(block: Block) -> str:
    options = " ".join(f"{k}={_value(v)}" for k, v in block.args.items() if k.isidentifier())
    return f"{block.definition.name} [{options}]" if options else block.definition.name


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)

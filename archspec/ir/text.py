"""The textual form of a network: every value with its shape, blocks nested, repeats collapsed. `parse_text` reads it back."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.ir.graph import Block, Call, Chain, Output
from archspec.ir.network import Network
from archspec.ops import Op, show


def to_text(net: Network) -> str:
    """The whole network."""
    return graph_text(net.name, net.root)


def graph_text(name: str, root: Block) -> str:
    """A graph under the name of its network."""
    inputs = ", ".join(f"{given}: {show(shape)}" for given, shape in root.inputs)
    head = f"net {name} ({inputs}) -> {show(root.shape)} {{"
    return "\n".join([head, *_body(root, "  "), "}"]) + "\n"


def _body(block: Block, pad: str) -> Iterator[str]:
    for call in block.calls:
        if call.present:
            yield from _call(call, pad)
        else:
            yield f"{pad}{call.name} = {call.inputs[0]}{_marks(call)} : {show(call.shape)}"
    for output in block.outputs:
        yield f"{pad}return {output.value} as {output.name}{_training(output)} : {show(output.shape)}"
    if not block.outputs:
        branch = f" [branch={block.branch}]" if block.branch is not None else ""
        yield f"{pad}return {', '.join(block.results)}{branch}"


def _training(output: Output) -> str:
    """What training makes of an output, where that is anything."""
    options = [f"loss_weight={_value(output.loss_weight)}"] if output.loss_weight != 1.0 else []
    options += ["train_only=true"] if output.train_only else []
    return f" [{' '.join(options)}]" if options else ""


def _call(call: Call, pad: str) -> Iterator[str]:
    head = f"{pad}{call.name} = "
    inputs, shape = ", ".join(call.inputs), show(call.shape)
    if isinstance(call.target, Op):
        starts = {f"init.{name}": str(start) for name, start in call.starts}
        options = " ".join(f"{k}={_value(v)}" for k, v in {**call.target.attributes, **starts}.items())
        yield f"{head}{call.target.kind}({inputs}){f' [{options}]' if options else ''}{_marks(call)} : {shape}"
    elif isinstance(call.target, Block):
        yield f"{head}{_instance(call.target)}({_given(call.target, call.inputs)}){_marks(call)} : {shape} {{"
        yield from _body(call.target, pad + "  ")
        yield f"{pad}}}"
    else:
        yield from _chain(call.target, head, inputs, shape, pad)


def _marks(call: Call) -> str:
    """Whose layers a call applies, and what it is for where it is part of a shortcut."""
    owner = f" of {call.owner}" if call.owner else ""
    return owner if call.role == "body" else f"{owner} as {call.role}"


def _given(block: Block, outer: tuple[str, ...]) -> str:
    """What a block is given: by its own name for it where that is another."""
    pairs = zip((name for name, _ in block.inputs), outer, strict=True)
    return ", ".join(name if name == given else f"{name}={given}" for name, given in pairs)


def _chain(chain: Chain, head: str, inputs: str, shape: str, pad: str) -> Iterator[str]:
    yield f"{head}chain({inputs}) : {shape} {{"
    for run in chain.runs:
        ((given, _),) = run.block.inputs
        yield f"{pad}  {run.count} x {_instance(run.block)}({given}) : {show(run.block.shape)} {{"
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

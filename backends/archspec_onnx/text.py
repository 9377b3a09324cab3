"""The graph of a model as the text that ONNX prints, without its weights, and the steps that its nodes are of."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import helper, printer

from archspec.backends import SourceMap
from archspec.diagnostics import Span
from archspec.ir import Block, Chain
from archspec.ir.network import Network
from archspec.ir.walk import each
from archspec_onnx.graph import INPUT, value
from archspec_onnx.model import make_graph


def graph_map(net: Network) -> SourceMap:
    """The nodes of a net, a line for each. Weights are names, and so are constants that the graph holds beside them."""
    graph, outputs = make_graph(net)
    steps = dict(_steps(net.root, "", ()))
    made = helper.make_graph(
        graph.nodes, net.name, [value(INPUT, net.input_shape)],
        [value(name, output.shape) for name, output in outputs.items()],
    )  # fmt: skip
    text = str(printer.to_text(made)).rstrip() + "\n"
    names = [node.name.partition("/")[0] for node in made.node]
    first = text.count("\n") - 1 - len(names)
    lines = {first + place: steps.get(name, ()) for place, name in enumerate(names)}
    return SourceMap(text, lines)


def _steps(block: Block, prefix: str, around: tuple[Span, ...]) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """The dotted name of each operation with its step, and those around it."""
    for call in block.calls:
        if not call.present:
            continue
        name, target, spans = f"{prefix}{call.name}", call.target, (*around, call.span)
        if isinstance(target, Block):
            yield from _steps(target, f"{name}.", spans)
        elif isinstance(target, Chain):
            for index, inner in enumerate(each(target)):
                yield from _steps(inner, f"{name}.{index}.", spans)
        else:
            yield name, spans

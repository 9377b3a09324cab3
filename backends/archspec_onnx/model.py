"""A net with its weights as an ONNX model, straight from the graph of the net."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec.ir import Block, Chain
from archspec.ir.network import Network
from archspec.version import __version__
from archspec.weights.dtypes import cast
from archspec.weights.identity import metadata
from archspec_onnx.graph import INPUT, OUTPUT, Graph, Place, value
from archspec_onnx.operations import OPERATIONS

OPSET = 21
"""The first with a normalization of groups that has a factor for each channel."""

IR_VERSION = 10
MOST = (1 << 31) - (1 << 20)
"""Bytes of weights: a file of protocol buffers holds two gigabytes."""


def make_model(net: Network, weights: Weights) -> ModelProto:
    """A checked model in evaluation mode: `images` (N, C, H, W) to `logits` (N, classes), both float32.

    Raises WeightsError where the weights are too large for such a file, or for float32.
    """
    graph = Graph()
    result = _block(graph, net.root, [INPUT], "")
    if result == INPUT:
        graph.nodes.append(helper.make_node("Identity", [INPUT], [result := OUTPUT], name=OUTPUT))
    _rename(graph, result, OUTPUT)
    used = {name for node in graph.nodes for name in node.input}
    taken = {name: array for name, array in weights.items() if name in used}
    indices = {name: array for name, array in taken.items() if array.dtype.kind == "i"}
    numbers = {**cast({name: array for name, array in taken.items() if name not in indices}, "float32"), **indices}
    if sum(array.nbytes for array in numbers.values()) > MOST:
        raise WeightsError(f"{net.name} has more than 2 GB of weights, which no single ONNX file holds")
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in numbers.items()]
    made = helper.make_graph(
        graph.nodes, net.name, [value(INPUT, net.input_shape)], [value(OUTPUT, net.output_shape)],
        [*tensors, *graph.constants], doc_string=net.spec.doc or "",
        value_info=[v for v in graph.values if v.name != OUTPUT],
    )  # fmt: skip
    model: ModelProto = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
        producer_name="archspec", producer_version=__version__,
    )  # fmt: skip
    helper.set_model_props(model, {"spec": net.name, "fingerprint": net.fingerprint, **metadata(weights)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _rename(graph: Graph, old: str, new: str) -> None:
    """Call the result of the net what its users call it."""
    for node in graph.nodes:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
    for found in graph.values:
        if found.name == old:
            found.name = new


def _block(graph: Graph, block: Block, inputs: list[str], prefix: str) -> str:
    """Add the nodes of a block; gives the name of its result."""
    values = {name: given for (name, _), given in zip(block.inputs, inputs, strict=True)}
    for call in block.calls:
        sources = [values[name] for name in call.inputs]
        name = prefix + call.name
        if not call.present:
            values[call.name] = sources[0]
        elif isinstance(call.target, Block):
            values[call.name] = _block(graph, call.target, sources, f"{name}.")
        elif isinstance(call.target, Chain):
            for index, inner in enumerate(_blocks(call.target)):
                sources = [_block(graph, inner, sources, f"{name}.{index}.")]
            values[call.name] = sources[0]
        else:
            place = Place(name, tuple(sources), call.input_shapes, call.shape)
            values[call.name] = OPERATIONS[call.target.kind](call.target, graph, place)
    return values[block.output]


def _blocks(chain: Chain) -> Iterator[Block]:
    for run in chain.runs:
        yield from [run.block] * run.count

"""A net with its weights as an ONNX model, straight from the graph of the net."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import onnx
from onnx import FunctionProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec.ir import Call, Output
from archspec.ir.liveness import for_inference
from archspec.ir.network import Network
from archspec.ir.owners import owners
from archspec.ir.walk import walk_results
from archspec.ops import Op
from archspec.version import __version__
from archspec.weights.dtypes import cast
from archspec.weights.identity import metadata
from archspec_onnx.functions import DOMAIN, fold
from archspec_onnx.graph import INPUT, OUTPUT, TENSOR, Graph, Place, value
from archspec_onnx.operations import OPERATIONS

OPSET = 21
"""The first with a normalization of groups that has a factor for each channel."""

IR_VERSION = 10
MOST = (1 << 31) - (1 << 20)
"""Bytes of weights: a file of protocol buffers holds two gigabytes."""


Named = TypeVar("Named", TensorProto, ValueInfoProto)


def make_graph(net: Network) -> tuple[Graph, dict[str, Output]]:
    """The nodes and constants of a net in evaluation mode, and its outputs by name."""
    root = for_inference(net.root)
    outputs = {output.name: output for output in root.outputs} or {OUTPUT: Output(OUTPUT, root.output, root.shape)}
    owned = owners(root)
    graph = Graph(ends=frozenset({INPUT, *outputs}))

    def add(name: str, call: Call, op: Op, sources: tuple[str, ...]) -> str:
        """Add the nodes of an operation; gives the name of its result."""
        return OPERATIONS[op.kind](
            op, graph, Place(name, sources, call.input_shapes, call.shape, owned.get(name, ""), graph.ends)
        )

    results = walk_results(root, [INPUT], add)
    for name, output in outputs.items():
        result = results[output.value]
        if result in graph.ends:  # the image itself, or what is an output already
            graph.nodes.append(helper.make_node("Identity", [result], [name], name=name))
        else:
            _rename(graph, result, name)
            results = {value: name if known == result else known for value, known in results.items()}
    return graph, outputs


def make_model(net: Network, weights: Weights) -> ModelProto:
    """A checked model in evaluation mode: `images` (N, C, H, W) to `logits` (N, classes), or to named outputs, in float32.

    Heads that are there only in training are left out. Raises WeightsError where the weights are too large for such a file,
    or for float32.
    """
    graph, outputs = make_graph(net)
    used = {name for node in graph.nodes for name in node.input}
    named = {f"{name}{TENSOR}" if name in graph.ends else name: array for name, array in weights.items()}
    taken = {name: array for name, array in named.items() if name in used}
    indices = {name: array for name, array in taken.items() if array.dtype.kind == "i"}
    numbers = {**cast({name: array for name, array in taken.items() if name not in indices}, "float32"), **indices}
    if sum(array.nbytes for array in numbers.values()) > MOST:
        raise WeightsError(f"{net.name} has more than 2 GB of weights, which no single ONNX file holds")
    _check_shapes(net, graph, outputs, numbers)
    nodes, functions = fold(for_inference(net.root), graph.nodes, graph.constants, outputs, OPSET)
    constants = _used(graph.constants, {name for node in nodes for name in node.input})
    values = _used(graph.values, {name for node in nodes for name in node.output} - outputs.keys())
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in numbers.items()]
    made = helper.make_graph(
        nodes, net.name, [value(INPUT, net.input_shape)], [value(name, output.shape) for name, output in outputs.items()],
        [*tensors, *constants], doc_string=net.doc, value_info=values,
    )  # fmt: skip
    model = _model(made, functions)
    helper.set_model_props(model, {"spec": net.name, "fingerprint": net.fingerprint, **metadata(weights)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _check_shapes(net: Network, graph: Graph, outputs: Mapping[str, Output], numbers: Weights) -> None:
    """Compare the shapes that ONNX infers with those of the spec, which functions would hide. It takes no weights."""
    given = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in numbers.items()
    ]
    made = helper.make_graph(
        graph.nodes, net.name, [value(INPUT, net.input_shape), *given],
        [value(name, output.shape) for name, output in outputs.items()], graph.constants,
        value_info=_used(graph.values, {name for node in graph.nodes for name in node.output} - outputs.keys()),
    )  # fmt: skip
    onnx.checker.check_model(_model(made, []), full_check=True)


def _model(graph: GraphProto, functions: Sequence[FunctionProto]) -> ModelProto:
    versions = [helper.make_opsetid("", OPSET), *([helper.make_opsetid(DOMAIN, 1)] if functions else [])]
    made: ModelProto = helper.make_model(
        graph, opset_imports=versions, ir_version=IR_VERSION, functions=functions,
        producer_name="archspec", producer_version=__version__,
    )  # fmt: skip
    return made


def _used(items: Iterable[Named], names: Container[str]) -> list[Named]:
    return [item for item in items if item.name in names]


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

"""Whether a net takes images of another size than its input's, with the parameters that it has."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.ir import Block, Call, Chain
from archspec.network import Network
from archspec.ops import Shape, ShapeError, show


def misfit(net: Network, size: tuple[int, int]) -> str | None:
    """Why the net does not take images of this height and width; None where it does, as nets with a global pooling do."""
    try:
        _block(net.root, {"input": (net.input_shape[0], *size)}, "")
    except ShapeError as error:
        return str(error)
    return None


def _block(block: Block, inputs: Mapping[str, Shape], prefix: str) -> Shape:
    values = dict(inputs)
    for call in block.calls:
        shapes = tuple(values[name] for name in call.inputs)
        values[call.name] = _call(call, shapes, prefix + call.name) if call.present else shapes[0]
    return values[block.output]


def _call(call: Call, shapes: tuple[Shape, ...], name: str) -> Shape:
    target = call.target
    if isinstance(target, Block):
        return _block(target, dict(zip((n for n, _ in target.inputs), shapes, strict=True)), f"{name}.")
    if isinstance(target, Chain):
        return _chain(target, shapes[0], name)
    made = target.output_shape(*shapes)
    if target.parameters(*shapes) != target.parameters(*call.input_shapes):
        has, gets = show(call.input_shapes[0]), show(shapes[0])
        raise ShapeError("AS605", f"`{name}` has weights for {has} and would be given {gets}")
    return made


def _chain(chain: Chain, shape: Shape, name: str) -> Shape:
    index = 0
    for run in chain.runs:
        ((given, _),) = run.block.inputs
        for _ in range(run.count):
            after = _block(run.block, {given: shape}, f"{name}.{index}.")
            index += 1
            if after == shape:
                break  # as it would be after those that are left, which are equal
            shape = after
    return shape

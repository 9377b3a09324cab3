"""What holds of every network, checked: run after each pass in the tests, and on whatever a plugin makes."""

from __future__ import annotations

from archspec.ir.graph import Block, Call, Chain, tapped
from archspec.ir.owners import tensors
from archspec.ops import Op, ShapeError, typed


def verify(root: Block) -> list[str]:
    """Every violation in a network with this graph; none where it is sound."""
    return list(dict.fromkeys(_block(root, root.definition.name)))


def _block(block: Block, where: str) -> list[str]:
    faults = []
    shapes = dict(block.inputs)
    before: dict[str, Call] = {}
    for call in block.calls:
        place = f"{where}.{call.name}"
        if call.name in shapes:
            faults.append(f"{place} is defined twice")
        unknown = [name for name in call.inputs if name not in shapes]
        if unknown:
            faults.append(f"{place} uses {', '.join(unknown)} before it is defined")
        elif tuple(shapes[name] for name in call.inputs) != call.input_shapes:
            faults.append(f"{place} states input shapes that its inputs do not have")
        target = call.target
        if not call.present:
            expected = call.input_shapes[0]
        elif isinstance(target, Op):
            try:
                expected = typed(target.output_shape(*call.input_shapes))
            except ShapeError as error:
                faults.append(f"{place}: {error}")
                expected = call.shape
        elif isinstance(target, Block):
            faults += _block(target, place)
            expected = target.shape
        else:
            faults += _chain(target, place)
            expected = target.shape
        has = (
            target.parameters(*call.input_shapes) if isinstance(target, Op) and call.starts and call.present else {}
        )
        if strange := [name for name, _ in call.starts if name not in has]:
            faults.append(f"{place} has no parameter {', '.join(strange)} to initialize")
        if call.shape != expected:
            faults.append(f"{place} states {call.shape} and gives {expected}")
        if call.owner is not None and (fault := _borrowed(call, before.get(call.owner))):
            faults.append(f"{place} {fault}")
        before[call.name] = call
        shapes[call.name] = call.shape
        for name, tap in zip(tapped(call), target.taps if isinstance(target, Block) else (), strict=True):
            if isinstance(target, Block) and (made := target.call(tap)) is not None:
                shapes[name] = made.shape
            else:
                faults.append(f"{place} has no step `{tap}`")
    if shapes.get(block.output) != block.shape:
        faults.append(f"{where} returns `{block.output}`, which is not of its shape {block.shape}")
    for output in block.outputs:
        if shapes.get(output.value) != output.shape:
            faults.append(
                f"{where} gives `{output.value}` as {output.name}, which is not of its shape {output.shape}"
            )
    return faults


def _borrowed(call: Call, owner: Call | None) -> str | None:
    """Why a call cannot have the parameters of another; None where it can."""
    if owner is None or owner.owner is not None or not owner.present:
        return f"has the parameters of {call.owner}, which has none before it"
    return (
        None if tensors(owner) == tensors(call) else f"has other parameters than {call.owner}, whose it should have"
    )


def _chain(chain: Chain, where: str) -> list[str]:
    faults, index = [], 0
    before = None
    for run in chain.runs:
        given = run.block.inputs[0][1]
        if (
            run.count < 1
            or (before is not None and given != before)
            or (run.count > 1 and run.block.shape != given)
        ):
            faults.append(f"{where}.{index} does not take what comes before it")
        faults += _block(run.block, f"{where}.{index}")
        before, index = run.block.shape, index + run.count
    return faults

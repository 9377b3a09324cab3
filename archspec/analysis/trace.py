"""The forward pass as one list of operations on numbered values: what counts of memory and of traffic stand on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.ir import Block, Call, Chain
from archspec.ir.network import Network
from archspec.ops import Op, Shape

Value = int
IMAGE: Value = 0
"""The input of the net, of which no gradient is taken."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An operation as the forward pass applies it once."""

    op: Op
    inputs: tuple[Value, ...]
    shapes: tuple[Shape, ...]  # of the inputs
    output: Value


@dataclass(slots=True)
class Trace:
    """The operations of a forward pass in order, and how many elements each value has for one image.

    What only names its input anew is left out: its value is the input's.
    """

    sizes: list[int] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)

    def value(self, shape: Shape) -> Value:
        """A value that nothing has been before."""
        self.sizes.append(math.prod(shape))
        return len(self.sizes) - 1

    def uses(self) -> Counter[Value]:
        """How many operations read each value."""
        return Counter(value for applied in self.applied for value in applied.inputs)

    def _block(self, block: Block, inputs: Mapping[str, Value]) -> Value:
        values = dict(inputs)
        for call in block.calls:
            given = tuple(values[name] for name in call.inputs)
            values[call.name] = self._call(call, given) if call.present else given[0]
        return values[block.output]

    def _call(self, call: Call, given: tuple[Value, ...]) -> Value:
        target = call.target
        if isinstance(target, Block):
            return self._block(target, dict(zip((name for name, _ in target.inputs), given, strict=True)))
        if isinstance(target, Chain):
            (value,) = given
            for run in target.runs:
                ((name, _),) = run.block.inputs
                for _ in range(run.count):
                    value = self._block(run.block, {name: value})
            return value
        if target.is_alias:
            return given[0]
        made = self.value((0,) if target.makes_constant else call.shape)
        self.applied.append(Applied(target, given, call.input_shapes, made))
        return made


def trace(net: Network) -> Trace:
    """Every operation of a net's forward pass, those of equal blocks each for itself."""
    made = Trace()
    made._block(net.root, {"input": made.value(net.input_shape)})
    return made

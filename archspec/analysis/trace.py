"""The forward pass as one list of operations on numbered values: what counts of memory and of traffic stand on."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from archspec.ir import Call
from archspec.ir.network import Network
from archspec.ir.walk import walk
from archspec.ops import Op, Shape

Value = int
IMAGE: Value = 0
"""The input of the net, of which no gradient is taken."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An operation as the forward pass applies it once."""

    name: str
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

    def take(self, name: str, call: Call, op: Op, given: tuple[Value, ...]) -> Value:
        """The value that an operation gives."""
        if op.is_alias:
            return given[0]
        of_constants = op.keeps_constants and given and not any(self.sizes[value] for value in given)
        made = self.value((0,) if op.makes_constant or of_constants else call.shape)
        self.applied.append(Applied(name, op, given, call.input_shapes, made))
        return made


def trace(net: Network) -> Trace:
    """Every operation of a net's forward pass, those of equal blocks each for itself."""
    made = Trace()
    walk(net.root, [made.value(net.input_shape)], made.take)
    return made

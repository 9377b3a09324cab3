"""How much of a forward pass is kept until the gradient is taken: exact counts, on which estimates of memory rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.ir import Block, Call, Chain
from archspec.network import Network
from archspec.ops import Shape

Value = int


@dataclass(slots=True)
class _Trace:
    """The values of a forward pass in order, and which of them are kept."""

    sizes: list[int] = field(default_factory=list)
    kept: set[Value] = field(default_factory=set)

    def value(self, shape: Shape) -> Value:
        self.sizes.append(math.prod(shape))
        return len(self.sizes) - 1

    def block(self, block: Block, inputs: Mapping[str, Value]) -> Value:
        values = dict(inputs)
        for call in block.calls:
            given = [values[name] for name in call.inputs]
            values[call.name] = self.call(call, given) if call.present else given[0]
        return values[block.output]

    def call(self, call: Call, given: list[Value]) -> Value:
        target = call.target
        if isinstance(target, Block):
            return self.block(target, dict(zip((name for name, _ in target.inputs), given, strict=True)))
        if isinstance(target, Chain):
            (value,) = given
            for run in target.runs:
                ((name, _),) = run.block.inputs
                for _ in range(run.count):
                    value = self.block(run.block, {name: value})
            return value
        if target.is_alias:
            return given[0]
        made = self.value(call.shape)
        if target.keeps == "inputs":
            self.kept.update(given)
        elif target.keeps == "output":
            self.kept.add(made)
        elif target.keeps == "mask":
            self.kept.add(self.value(call.shape))
        return made


def kept_for_gradient(net: Network) -> int:
    """Numbers for one image that training keeps from the forward pass for the backward pass, the image included.

    Each is counted once, however many operations need it; what overwrites its input keeps no second copy.
    """
    trace = _Trace()
    trace.block(net.root, {"input": trace.value(net.input_shape)})
    return sum(trace.sizes[value] for value in trace.kept)

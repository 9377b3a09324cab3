"""The fingerprint of a network: a hash of its wired graph, which is what a checkpoint must fit.

Counted are the input, every operation that is there with its name, its attributes, the shape of its result and the operations
that feed it, in their order, and the operation that gives the output. How the spec wrote it is not: blocks, arguments, the
names of either, steps whose `when` is false and the name of the net.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from archspec.ir.graph import Block, Call, Chain
from archspec.ops import Op

_INPUT = ""  # the name of what feeds the first operation; no operation can have it


def fingerprint(root: Block) -> str:
    """The fingerprint of the network with this graph."""
    wiring = _Wiring()
    output = wiring.block(root, "", {name: _INPUT for name, _ in root.inputs})
    told = [[shape for _, shape in root.inputs], wiring.operations, output]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


class _Wiring:
    """The operations of a network in order of execution, each with the names of those that feed it."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, str, tuple[str, ...]]] = []
        self._told: dict[Call, str] = {}  # blocks of a run share their calls

    def block(self, block: Block, prefix: str, given: Mapping[str, str]) -> str:
        """Add what is in a block whose inputs these operations give; the operation that gives its output."""
        givers = dict(given)
        for call in block.calls:
            sources = tuple(givers[name] for name in call.inputs)
            givers[call.name] = self._call(call, f"{prefix}{call.name}", sources) if call.present else sources[0]
        return givers[block.output]

    def _call(self, call: Call, name: str, sources: tuple[str, ...]) -> str:
        target = call.target
        if isinstance(target, Op):
            self.operations.append((name, self._text(call, target), sources))
            return name
        if isinstance(target, Block):
            return self._instance(target, name, sources)
        giver = sources[0]
        for index, block in enumerate(_each(target)):
            giver = self._instance(block, f"{name}.{index}", (giver,))
        return giver

    def _instance(self, block: Block, name: str, sources: tuple[str, ...]) -> str:
        inputs = (given for given, _ in block.inputs)
        return self.block(block, f"{name}.", dict(zip(inputs, sources, strict=True)))

    def _text(self, call: Call, op: Op) -> str:
        if call not in self._told:
            self._told[call] = f"{op.kind} {op.attributes!r} {call.shape!r}"
        return self._told[call]


def _each(chain: Chain) -> Iterator[Block]:
    for run in chain.runs:
        for _ in range(run.count):
            yield run.block

"""The fingerprint of a network: a hash of its wired graph, which is what a checkpoint must fit.

Counted are the input, every operation that is there with its name, the one whose parameters it shares, its attributes, the
shape of its result and the operations
that feed it, in their order, and the operation that gives the output, or of named outputs each with its name and whether it
is there only in training. How the spec wrote it is not: blocks, arguments, the
names of either, steps whose `when` is false and the name of the net.
"""

from __future__ import annotations

from archspec.ir.graph import Block, Call
from archspec.ir.owners import owners
from archspec.ir.walk import walk_results
from archspec.ops import Op

_INPUT = ""  # the name of what feeds the first operation; no operation can have it


def fingerprint(root: Block) -> str:
    """The fingerprint of the network with this graph."""
    import json  # which `archspec check` does without

    operations: list[tuple[str, str, tuple[str, ...]]] = []
    owned = owners(root)
    told: dict[Call, str] = {}  # blocks of a run share their calls

    def apply(name: str, call: Call, op: Op, sources: tuple[str, ...]) -> str:
        """A value is known by the operation that gives it."""
        if call not in told:
            told[call] = f"{op.kind} {op.identity!r} {call.shape!r}"
        operations.append((name, told[call] + f" of {owned[name]}" if name in owned else told[call], sources))
        return name

    results = walk_results(root, [_INPUT] * len(root.inputs), apply)
    outputs = [(o.name, results[o.value], o.train_only) for o in root.outputs]
    text = json.dumps([[shape for _, shape in root.inputs], operations, outputs or results[root.output]])
    import hashlib  # which loads OpenSSL, for which `check` need not wait

    return hashlib.sha256(text.encode()).hexdigest()[:16]

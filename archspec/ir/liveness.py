"""What the results of a block depend on, and what of a net is there for training alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from archspec.ir.graph import Block, Call, tapped


def live_values(block: Block, results: Iterable[str] | None = None) -> set[str]:
    """The values of a block that its results depend on, or only some of them; inputs included."""
    live = set(block.results if results is None else results)
    for call in reversed(block.calls):
        if call.name in live or not live.isdisjoint(tapped(call)):
            live.update(_needed(call, live))
    return live


def wanted(call: Call, live: Collection[str]) -> tuple[str, ...]:
    """Those results of a call's block that are among the live values around it."""
    assert isinstance(call.target, Block)
    names = dict(zip((call.name, *tapped(call)), call.target.results, strict=True))
    return tuple(inner for name, inner in names.items() if name in live)


def _needed(call: Call, live: Collection[str]) -> Iterable[str]:
    """The inputs of a call that its result depends on: an absent one passes the first on."""
    if not call.present:
        return call.inputs[:1]
    if isinstance(call.target, Block) and len(call.inputs) > 1:
        inside = live_values(call.target, wanted(call, live))
        return [name for name, (inner, _) in zip(call.inputs, call.target.inputs, strict=True) if inner in inside]
    return call.inputs


def training_only(root: Block) -> frozenset[str]:
    """The calls of a net that only outputs which are there in training depend on: auxiliary heads."""
    if not any(output.train_only for output in root.outputs):
        return frozenset()
    always = live_values(root, [output.value for output in root.outputs if not output.train_only])
    ever = live_values(root)
    return frozenset(_calls(root, ever)) - frozenset(_calls(root, always))


def _calls(block: Block, live: Collection[str]) -> Iterator[str]:
    return (c.name for c in block.calls if c.name in live or any(name in live for name in tapped(c)))


def for_inference(root: Block) -> Block:
    """The graph of a net without what is there for training alone."""
    left_out = training_only(root)
    if not left_out and not any(output.train_only for output in root.outputs):
        return root
    calls = tuple(call for call in root.calls if call.name not in left_out)
    return replace(root, calls=calls, outputs=tuple(o for o in root.outputs if not o.train_only))

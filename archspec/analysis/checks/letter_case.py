"""Whether blocks that a net uses are told apart by more than case: their classes stand in one file."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.diagnostics import Diagnostics, Related, Span
from archspec.ir import Block, Chain, Definition
from archspec.loading.program import Program


def check_case(net: Program, problems: Diagnostics) -> None:
    """Compare the names of the blocks and shortcuts that a net uses; one of two that are alike is the spec's own."""
    seen: dict[str, str] = {}
    for definition in dict.fromkeys(_definitions(net.root, set())):
        name = definition.name
        other = seen.setdefault(name.lower(), name)
        if other == name:
            continue
        (here, span), *more = [(n, span) for n in (name, other) if (span := _declared(net, n)) is not None]
        message = f"the net uses `{other}` and `{name}`, which differ only in case"
        help_ = f"rename `{here}`" + ("" if more else ": the other is one of the library")
        problems.add("AS113", message, span, help_, [Related(f"`{n}` is here", place) for n, place in more])


def _definitions(block: Block, seen: set[Block]) -> Iterator[Definition]:
    """What the blocks inside of a block are declared as."""
    for call in block.calls:
        target = call.target
        inside = [run.block for run in target.runs] if isinstance(target, Chain) else [target]
        for inner in inside:
            if isinstance(inner, Block) and inner not in seen:
                seen.add(inner)
                yield inner.definition
                yield from _definitions(inner, seen)


def _declared(net: Program, name: str) -> Span | None:
    """Where a spec declares a block or shortcut; None for those of the library."""
    sections = (net.resolved.root.get(sort) for sort in ("blocks", "shortcuts"))
    return next((s.key_span(name) for s in sections if s is not None and s.get(name) is not None), None)

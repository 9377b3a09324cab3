"""Chains of one list of steps, some of which are there in one and absent in another, with the same calls in all.

The calls of a chain are numbered as they are there. Here each has its place among the steps that any chain of the list has; one
that is absent stands in its place, as in blocks whose calls have names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from archspec.ir import Block, Call
from archspec.ops import NOTHING
from archspec.syntax.expressions import names

CallsOf = Mapping[Block, tuple[Call, ...]]
"""The calls of each block, of one that is absent its place."""


def aligned(blocks: Iterable[Block]) -> dict[Block, tuple[Call, ...]]:
    """The calls of blocks; those of chains beside those of others of the same steps."""
    calls = {block: block.calls for block in blocks}
    lists: dict[object, list[Block]] = {}
    for block in calls:
        if block.definition.positional and not block.taps:  # which are called by their numbers
            lists.setdefault(_steps(block), []).append(block)
    for group in lists.values():
        places = _places([_keys(block.calls) for block in group])
        known = {key: call for block in group for key, call in zip(_keys(block.calls), block.calls, strict=True)}
        for block in group:
            if len(block.calls) < len(places):
                calls[block] = tuple(_in_place(block, places, known))
    return calls


def closed_up(chains: Sequence[Sequence[Call]]) -> list[Sequence[Call]]:
    """The aligned calls of chains of one class, without the places that are empty in all of them."""
    absent = {place for place, calls in enumerate(zip(*chains, strict=True)) if not any(c.present for c in calls)}
    return [tuple(_closed_up(calls, absent)) for calls in chains] if absent else list(chains)


def _closed_up(calls: Sequence[Call], absent: Collection[int]) -> Iterable[Call]:
    value = calls[0].inputs[0]
    for place, call in enumerate(c for i, c in enumerate(calls) if i not in absent):
        name = _name(call) or str(place)
        yield replace(call, name=name, inputs=(value,))
        value = name


def _steps(block: Block) -> object:
    """Equal for chains that differ in steps with conditions alone."""
    words = tuple((k, v) for k, v in block.args.items() if isinstance(v, str))
    always = tuple(_name(call) for call in block.calls if not _is_conditional(call))
    return block.definition.origin or block.definition, words, always


def _is_conditional(call: Call) -> bool:
    return call.when is not None and bool(names(call.when))


def _name(call: Call) -> str:
    return "" if call.name.isdigit() else call.name


def _keys(calls: Sequence[Call]) -> list[object]:
    """What tells each call of a chain from the others: how many come before it that are always there, and its condition."""
    before = 0
    seen = Counter[object]()
    keys: list[object] = []
    for call in calls:
        key = (before, _name(call), call.when if _is_conditional(call) else None)
        keys.append((key, seen[key]))
        seen[key] += 1
        before += not _is_conditional(call)
    return keys


def _places(chains: Sequence[Sequence[object]]) -> list[object]:
    """The keys of all chains in one order, that of each."""
    places: list[object] = []
    for keys in chains:
        at = 0
        for key in keys:
            if key in places:
                at = places.index(key) + 1
            else:
                places.insert(at, key)
                at += 1
    return places


def _in_place(block: Block, places: Sequence[object], known: Mapping[object, Call]) -> Iterable[Call]:
    own = dict(zip(_keys(block.calls), block.calls, strict=True))
    value, shape = block.inputs[0]
    for place, key in enumerate(places):
        call = own.get(key) or replace(
            known[key], target=NOTHING, input_shapes=(shape,), shape=shape, present=False
        )
        name = _name(call) or str(place)
        yield replace(call, name=name, inputs=(value,))
        value, shape = name, call.shape

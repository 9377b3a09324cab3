"""The spec of a traced model: blocks, stages and tables of what repeats, with what it comes to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archspec.compile import check, load
from archspec.diagnostics.printable import printable
from archspec.importing.blocks import Blocks, InexpressibleError, blocks
from archspec.importing.entries import Entry
from archspec.importing.growing import growing
from archspec.importing.library import with_library
from archspec.importing.rates import with_growth
from archspec.importing.repeats import Declared, stage, written
from archspec.importing.text import to_text
from archspec.importing.traced import Traced
from archspec.importing.tree import shapes, tree
from archspec.language.step import MODIFIERS
from archspec.loading.program import Program
from archspec.ops import OPS
from archspec.syntax.identifiers import step_name_fault

FORMS = ((True, True), (False, True), (False, False))
"""From the shortest: with shortcuts apart and equal blocks as one, with equal blocks as one, and each block for itself."""


def spec_of(net: Traced) -> Iterator[tuple[str, Program]]:
    """Specs of a model, the shortest first, each with its network: the first that is proven is the one."""
    grown = growing(net)
    yield from _specs(grown)
    if grown.operations != net.operations:
        yield from _specs(net)


def _specs(net: Traced) -> Iterator[tuple[str, Program]]:
    types = shapes(net)
    for merged, alike in FORMS:
        try:
            found = blocks(tree(net), types, net.outputs, merged=merged, alike=alike)
        except InexpressibleError:
            continue
        spec = unchecked(net, found)
        if (text := _finished(net, with_library(spec))) is not None:
            yield text, load(text)


def problems_of(net: Traced) -> str:
    """What is wrong with the longest spec, for a message."""
    paths = [op.path or "" for op in net.operations] + [one.path for op in net.operations for one in op.scopes]
    for part in dict.fromkeys(part for path in paths for part in filter(None, path.split("."))):
        why = "it is a key of steps" if part in MODIFIERS else None if part.isdecimal() else step_name_fault(part)
        if why is not None:
            return f"`{part[:80]}` names a module, and cannot name a step: {why}"
    try:
        found = blocks(tree(net), shapes(net), net.outputs, merged=False, alike=False)
    except InexpressibleError as why:
        return str(why)
    return "; ".join(str(one.message) for one in check(to_text(unchecked(net, found))) if one.is_error)


def _finished(net: Traced, spec: dict[str, Any]) -> str | None:
    """The text with its comments and expectations; None where it is no spec."""
    text = to_text(spec)
    if any(one.is_error for one in check(text)):
        return None
    cost = load(text).cost
    spec["expect"] = {"params": cost.params, "macs": cost.macs, "depth": cost.depth}
    head = [f"# Imported from {printable(net.source or net.class_name)}: {net.own} are its own."]
    head.append("# How its parameters start is not part of a model; say it in `init` before training from nothing.")
    return "\n".join(head) + "\n" + to_text(spec)


def unchecked(net: Traced, found: Blocks) -> dict[str, Any]:
    """The spec of these blocks, which may be none."""
    declared = {name: block.arguments.declared for name, block in found.blocks.items()}
    entries = with_growth(_with_classes(found.entries))
    split = next((i for i, e in enumerate(entries) if len(e.shape) == 1), len(entries))
    stages = _stages(entries[:split], declared)
    runs = [i for i, one in enumerate(stages) if one is not None]
    first, last = (runs[0], runs[-1] + 1) if runs else (split, split)
    if len(runs) < 2 or None in stages[first:last]:
        first = last = split
    channels, height, width = net.input
    size: Any = height if height == width else [height, width]
    spec: dict[str, Any] = {"archspec": 1, "name": net.name, "class_name": net.class_name}
    spec["input"] = {"size": size} if channels == 3 else {"channels": channels, "size": size}
    if any("classes" in str(entry.written()) for entry in entries):
        spec["classes"] = next(e.shape[-1] for e in reversed(entries) if len(e.shape) == 1)
    if found.shortcut != "none":
        spec["shortcut"] = found.shortcut
    whole = [*entries, *(e for block in found.blocks.values() for e in (*block.entries, *block.after))]
    defaults = _defaults(whole, found)
    if defaults:
        spec["defaults"] = defaults
    lean = [_without(entry, defaults) for entry in entries]
    spec["stem"] = written(lean[:first], declared)
    if first != last:
        spec["stages"] = stages[first:last]
    if lean[last:]:
        spec["head"] = written(lean[last:], declared)
    if found.outputs:
        spec["outputs"] = {
            name: {"value": value, "train_only": True} if name in net.train_only else value
            for name, value in found.outputs.items()
        }
    if found.blocks:
        for block in found.blocks.values():
            block.entries = tuple(_without(entry, defaults) for entry in block.entries)
        spec["blocks"] = {name: block.written(declared) for name, block in found.blocks.items()}
    if found.shortcuts:
        spec["shortcuts"] = found.shortcuts
    if not spec["stem"]:
        del spec["stem"]
    return spec


def _stages(entries: Sequence[Entry], declared: Declared) -> list[dict[str, Any] | None]:
    """Each step as a stage, None for those that are none."""
    found: list[dict[str, Any] | None] = []
    for entry in entries:
        found.append(stage(entry, declared, sum(one["repeat"] for one in found if one)))
    return found


def _with_classes(entries: Sequence[Entry]) -> list[Entry]:
    """The steps with the last linear layer as wide as there are classes."""
    found = list(entries)
    for place in range(len(found) - 1, -1, -1):
        entry = found[place]
        if entry.chain:
            inner = _with_classes(entry.chain)
            if inner != list(entry.chain):
                found[place] = dataclasses.replace(entry, chain=tuple(inner))
                break
        if entry.kind == "linear" and len(entry.shape) == 1:
            found[place] = dataclasses.replace(entry, args={**entry.args, "out": "classes"})
            break
        if entry.stateful:
            break
    return found


def _defaults(entries: Sequence[Entry], found: Blocks) -> dict[str, Any]:
    """Arguments that every use of an operation has alike, and that are not its defaults: said once."""
    uses: dict[str, list[Mapping[str, Any]]] = {}
    for entry in _each(entries):
        if entry.kind in OPS:
            uses.setdefault(entry.kind, []).append(entry.args)
    said: dict[str, Any] = {}
    for kind, all_args in uses.items():
        common = {
            name: value for name, value in all_args[0].items()
            if name != "out" and not isinstance(value, str) and all(args.get(name) == value for args in all_args)
        }  # fmt: skip
        if common and len(all_args) > 2 and kind not in ("parameter", "pad", "slice", "scale"):
            said[kind] = common
    return said


def _each(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from _each(entry.chain or ())


def _without(entry: Entry, defaults: Mapping[str, Any]) -> Entry:
    """A step without what the defaults say."""
    own = defaults.get(entry.kind, {})
    args = {name: value for name, value in entry.args.items() if name not in own}
    chain = entry.chain and tuple(_without(inner, defaults) for inner in entry.chain)
    return dataclasses.replace(entry, args=args, chain=chain)

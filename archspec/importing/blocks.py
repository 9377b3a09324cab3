"""Blocks of a spec: the modules of a model whose structure is the same become one declaration, with arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.importing.arguments import Arguments, Defaults, arguments
from archspec.importing.entries import Entry
from archspec.importing.instances import Instance, instance, listed, numbered
from archspec.importing.repeats import Declared, written
from archspec.importing.traced import INPUT, InexpressibleError, Operation
from archspec.importing.tree import Group, Step, in_order
from archspec.ops import OPS, Features
from archspec.syntax.identifiers import step_name_fault


@dataclass(slots=True)
class Block:
    """A declaration, with the steps as it writes them."""

    name: str
    class_name: str
    sequence: bool
    arguments: Arguments
    entries: tuple[Entry, ...]
    after: tuple[Entry, ...]
    merges: bool
    shortcut: str | None = None  # the one that all of its instances have

    def written(self, declared: Declared) -> dict[str, Any]:
        """The declaration as a spec has it, beside those of the spec."""
        found: dict[str, Any] = {"class_name": self.class_name.strip("_") or "Part"}
        if self.arguments.declared:
            found["args"] = dict(self.arguments.declared)
        found["chain" if self.sequence else "body"] = written(self.entries, declared)
        if self.merges:
            found["merge"] = "add"
        if self.after:
            found["after"] = [entry.written() for entry in self.after]
        return found


@dataclass(slots=True)
class Blocks:
    """All declarations of a spec, and the steps of the net around them."""

    blocks: dict[str, Block] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)  # the steps that give them
    shortcut: str = "none"
    shortcuts: dict[str, Any] = field(default_factory=dict)


def blocks(
    root: Group, shapes: Mapping[str, Features], outputs: Mapping[str, str], *, merged: bool, alike: bool
) -> Blocks:
    """The declarations of a model; `merged` with shortcuts apart, `alike` with one declaration of equal blocks."""
    found, uses = Blocks(), dict[int, Entry]()
    waiting = sorted(_declared(root), key=_height)
    for height in sorted({_height(group) for group in waiting}):
        instances = [
            instance(group, shapes, lambda inner: uses[id(inner)], merged=merged)
            for group in waiting
            if _height(group) == height
        ]
        graphs = {one.group.class_name for one in instances if not one.sequence}
        for one in instances:
            one.sequence = one.sequence and (numbered(one.group) or one.group.class_name not in graphs)
        same: dict[object, list[Instance]] = {}
        for number, one in enumerate(instances):
            one.slots = {
                (part, place, *key): value
                for part, entries in enumerate((one.entries, one.after))
                for place, entry in enumerate(entries)
                for key, value in entry.slots()
            }
            kind = _kind_of_shortcut(one) if not alike else None
            same.setdefault((one.skeleton, kind) if alike else number, []).append(one)
        for group in same.values():
            if len(group) == 1 and (chain := _once(group[0])) is not None:
                uses[id(group[0].group)] = chain
            else:
                _declare(found, group, uses)
    called: dict[str, str] = {}
    asked = outputs.values() if len(outputs) > 1 else ()
    found.entries = listed(
        root.steps, root.input, shapes, lambda inner: uses[id(inner)], called=called, asked=asked
    )
    if any(value not in called for value in asked):
        _inexpressible("an output that is inside of another module")
    found.outputs = {name: called[value] for name, value in outputs.items()} if asked else {}
    _choose_shortcut(found)
    return found


def _once(one: Instance) -> Entry | None:
    """The chain that stands where a block in order would be used once."""
    steps = one.group.steps
    if not one.sequence or len({step.name for step in steps}) < len(steps):
        return None
    return Entry(None, "", {}, (), one.entries, any(entry.stateful for entry in one.entries), tuple(one.out_shape))


def _kind_of_shortcut(one: Instance) -> str:
    return "none" if one.shortcut is None else "input" if one.shortcut == INPUT else "step"


def _declared(group: Group) -> list[Group]:
    """The groups that are blocks, inner ones first."""
    found = []
    for step in group.steps:
        if isinstance(step.target, Group):
            found += _declared(step.target)
            if not (step.target.plain and in_order(step.target)):
                found.append(step.target)
    return found


def _height(group: Group) -> int:
    """How deep blocks are nested in one."""
    inner = [_height(step.target) for step in group.steps if isinstance(step.target, Group)]
    own = 0 if group.plain and in_order(group) else 1
    return own + max(inner, default=0)


def _declare(found: Blocks, instances: list[Instance], uses: dict[int, Entry]) -> None:
    shortcut = _shortcut(found, instances)
    first = instances[0]
    declared = {name: block.arguments.declared for name, block in found.blocks.items()}
    known = Defaults(first.entries, declared)
    known.values = {(0, *k): v for k, v in known.values.items()}
    known.kinds = {(0, *k): v for k, v in known.kinds.items()}
    made = arguments([one.slots for one in instances], [one.in_shape.channels for one in instances], known)
    name = _called(first.group.class_name, found)
    parts = [
        tuple(
            entry.filled({key[2:]: value for key, value in made.written.items() if key[:2] == (part, place)})
            for place, entry in enumerate(entries)
        )
        for part, entries in enumerate((first.entries, first.after))
    ]
    found.blocks[name] = Block(
        name,
        first.group.class_name,
        first.sequence and (numbered(first.group) or any("-" in (entry.name or "") for entry in first.entries)),
        made,
        parts[0],
        parts[1],
        shortcut is not None,
        shortcut,
    )
    stateful = any(entry.stateful for entry in first.entries) or first.shortcut not in (None, INPUT)
    for place, one in enumerate(instances):
        uses[id(one.group)] = Entry(None, name, made.given(place), stateful=stateful)


def _called(class_name: str, found: Blocks) -> str:
    """A name in the words of specs: `basic_block` of `BasicBlock`."""
    words = ""
    for i, letter in enumerate(class_name):
        before, after = class_name[i - 1 : i], class_name[i + 1 : i + 2]
        if (
            letter.isupper()
            and words
            and not words.endswith("_")
            and (before.islower() or before.isdigit() or after.islower())
        ):
            words += "_"
        words += letter.lower()
    words = words.strip("_") or "part"
    if step_name_fault(words) is not None or words in RESERVED:
        words += "_block"
    return next(n for n in (words, *(f"{words}_{i}" for i in range(2, 9999))) if n not in found.blocks)


def _shortcut(found: Blocks, instances: list[Instance]) -> str | None:
    """The shortcut of the spec's that gives each instance its own; None where nothing is merged."""
    kinds = {_kind_of_shortcut(one) for one in instances}
    if kinds == {"none"}:
        return None
    if kinds == {"input"}:
        return "identity"
    if kinds == {"none", "input"}:
        fits = all((one.shortcut == INPUT) is not one.grows for one in instances)
        return "identity_or_none" if fits else _inexpressible("a shortcut that some blocks of one class have")
    projected = [one for one in instances if isinstance(one.shortcut, Entry)]
    if "none" in kinds or any(one.grows is not isinstance(one.shortcut, Entry) for one in instances):
        return _inexpressible("a shortcut with a condition of its own")
    steps = [one.shortcut for one in projected if isinstance(one.shortcut, Entry)]
    if all(_is_projection(one) for one in projected):
        return "projection"
    if len({repr(step.skeleton()) for step in steps}) != 1:
        return _inexpressible("several kinds of shortcuts in blocks of one class")
    return _own_shortcut(found, projected)


def _is_projection(one: Instance) -> bool:
    step = one.shortcut
    if not isinstance(step, Entry) or step.name != "downsample" or step.chain is None or len(step.chain) != 2:
        return False
    conv, norm = step.chain
    wanted = {"out": one.out_shape.channels, "kernel": 1, "stride": one.stride}
    given = {"stride": 1, **conv.args}
    return conv.kind == "conv" and given == wanted and norm.kind == "batch_norm" and conv.name is None


def _own_shortcut(found: Blocks, projected: list[Instance]) -> str:
    """A shortcut that the spec declares, with its step written in the channels and the stride of the block."""
    steps = [one.shortcut for one in projected if isinstance(one.shortcut, Entry)]
    slots = [dict(step.slots()) for step in steps]
    written: dict[tuple[Any, ...], Any] = {}
    for place in dict.fromkeys(key for each in slots for key in each):
        values = [each.get(place) for each in slots]
        known = {
            "out_channels": [one.out_shape.channels for one in projected],
            "in_channels": [one.in_shape.channels for one in projected],
            "stride": [one.stride for one in projected],
        }
        if place[-1] == "stride":
            values = [value or 1 for value in values]
            known = {"stride": known["stride"]}
        match = next((name for name, others in known.items() if values == others), None)
        if match is None and any(value != values[0] for value in values):
            return _inexpressible("a shortcut whose arguments are its own")
        written[place] = match or values[0]
    step = steps[0].filled(written)
    own: dict[str, Any] = {"name": step.name} if step.name else {}
    own["when"] = "stride != 1 or in_channels != out_channels"
    if step.chain is not None:
        own["chain"] = [replace(entry).written() for entry in step.chain]
    else:
        own["body"] = [replace(step, name=None).written()]
    name = f"{step.name or 'own'}_shortcut".replace(".", "_")
    if found.shortcuts.setdefault(name, own) != own:
        return _inexpressible("several shortcuts of one name")
    return name


def _inexpressible(what: str) -> str:
    raise InexpressibleError(what)


def _choose_shortcut(found: Blocks) -> None:
    """The shortcut that the spec names once: one that is the identity wherever another block has that."""
    named = {block.shortcut for block in found.blocks.values() if block.shortcut is not None}
    others = named - {"identity"}
    if len(others) > 1:
        _inexpressible("several shortcuts")
    found.shortcut = next(iter(others)) if others else "identity" if named else "none"


RESERVED = frozenset({"input", "steps", "rows", "share", "norm", "act", *OPS})

__all__ = ["Block", "Blocks", "InexpressibleError", "Operation", "Step", "blocks"]

"""What the classes of emitted source are: one for each kind of block, with a parameter for whatever differs.

A backend turns this into text. Numbers that differ between the instances of a class are written in terms of its
parameters, as the spec wrote them; each such expression is checked against every instance before it is used.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from archspec.emission.block_classes import BlockClass, ClassOf, Member, Parameter, make_class, signature
from archspec.ir import Block, Call, Chain
from archspec.ir.network import Network
from archspec.ops import Op
from archspec.syntax.identifiers import IMPORTED, class_name


@dataclass(slots=True)
class Outline:
    """The classes of a net in the order of definition, and which one each block is an instance of."""

    classes: list[BlockClass] = field(default_factory=list)
    of: dict[Block, BlockClass] = field(default_factory=dict)
    root: BlockClass | None = None


def outline(net: Network, reserved: Collection[str] = ()) -> Outline:
    """Decide the classes of a net; names in `reserved` are those of other things in the file."""
    result = Outline()
    blocks = list(_blocks(net.root))
    spelling = _spelling([net.root, *blocks], {net.class_name, *reserved})
    taken = {net.class_name, *reserved, *spelling.values()}
    known: dict[object, BlockClass] = {}
    for group in _groups(blocks):
        for instances in _split(group, result.of):
            made = make_class(_free_name(instances, taken), instances, result.of, spelling)
            own = signature(made, result.of)
            if (same := known.get(own)) is not None:
                same.take(made)
            else:
                taken.add(made.name)
                result.classes.append(made)
                same = known[own] = made
            result.of.update(dict.fromkeys(instances, same))
    result.root = make_class(net.class_name, [net.root], result.of, spelling)
    result.classes = list(_inner_first(result))
    return result


def _spelling(blocks: Iterable[Block], reserved: Collection[str]) -> dict[str, str]:
    """The name in source of each argument: its own, unless that would hide what source refers to."""
    spelt = {"classes": "num_classes"}
    hidden = {*reserved, *IMPORTED, *dir(builtins), "i", "partial"}
    for name in dict.fromkeys(name for block in blocks for name in block.args):
        own = spelt.get(name, name)
        while name not in spelt and (own in hidden or own in spelt.values()):
            own += "_"
        spelt[name] = own
    return spelt


def _inner_first(result: Outline) -> Iterator[BlockClass]:
    """The classes in an order in which each comes after those that it uses."""
    done: set[BlockClass] = set()

    def visit(cls: BlockClass) -> Iterator[BlockClass]:
        if cls not in done:
            done.add(cls)
            for member in cls.members:
                if isinstance(member.call.target, Block):
                    yield from visit(result.of[member.call.target])
            yield cls

    for cls in result.classes:
        yield from visit(cls)


def _groups(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """The blocks of a net that may share a class, each group after those of all the blocks inside of it."""
    groups: dict[object, list[Block]] = {}
    kinds: dict[Block, object] = {}
    for block in blocks:
        kinds[block] = _kind(block)
        groups.setdefault(kinds[block], []).append(block)
    done: set[object] = set()

    def visit(kind: object) -> Iterator[list[Block]]:
        if kind not in done:
            done.add(kind)
            for block in groups[kind]:
                for inner in _inside(block):
                    yield from visit(kinds[inner])
            yield groups[kind]

    for kind in groups:
        yield from visit(kind)


def _blocks(root: Block) -> Iterator[Block]:
    """Every block inside of one, once, inner ones first."""
    seen: set[Block] = set()

    def visit(block: Block) -> Iterator[Block]:
        for inner in _inside(block):
            if inner not in seen:
                seen.add(inner)
                yield from visit(inner)
                yield inner

    yield from visit(root)


def _inside(block: Block) -> Iterator[Block]:
    """The blocks that a block calls."""
    for call in block.calls:
        if isinstance(call.target, Chain):
            yield from (run.block for run in call.target.runs)
        elif isinstance(call.target, Block):
            yield call.target


def _split(group: list[Block], of: ClassOf) -> list[list[Block]]:
    """As few classes as can be written: one, else one for each way of joining values, choice of flags, and structure."""
    parts = [group]
    for trait in (_joins, _flags, lambda block: _structure(block, of)):
        parts = [p for part in parts for p in ([part] if _uniform(part, of) else _by(trait, part))]
    return parts


def _by(trait: Callable[[Block], object], blocks: list[Block]) -> list[list[Block]]:
    parts: dict[object, list[Block]] = {}
    for block in blocks:
        parts.setdefault(trait(block), []).append(block)
    return list(parts.values())


def _joins(block: Block) -> object:
    """Which calls that join values are there: a class has such a call always, or never."""
    return tuple(c.present for c in block.calls if len(c.inputs) > 1)


def _flags(block: Block) -> object:
    return tuple((k, v) for k, v in block.args.items() if isinstance(v, bool))


def _structure(block: Block, of: ClassOf) -> object:
    return tuple(_target_kind(c, of) if c.present else None for c in block.calls)


def _kind(block: Block) -> object:
    """Equal for blocks that may be instances of one class."""
    words = tuple((k, v) for k, v in block.args.items() if isinstance(v, str))
    calls = tuple((c.name, c.inputs, c.role, c.when is None) for c in block.calls)
    return block.definition, block.variant, words, calls


def _uniform(group: list[Block], of: ClassOf) -> bool:
    """Whether the same calls apply the same kinds of things wherever they are present."""
    for calls in zip(*(b.calls for b in group), strict=True):
        kinds = {_target_kind(c, of) for c in calls if c.present}
        if len(kinds) > 1 or (len({c.present for c in calls}) > 1 and len(calls[0].inputs) > 1):
            return False
    return True


def _target_kind(call: Call, of: ClassOf) -> object:
    target = call.target
    if isinstance(target, Op):
        flags = tuple(v for v in target.attributes.values() if isinstance(v, (bool, str)))
        return target.kind, flags, tuple((type(shape), len(shape)) for shape in call.input_shapes)
    if isinstance(target, Block):
        return of[target]
    return tuple(
        (of[r.block], r.count, *(of[r.block].value(r.block, p) for p in of[r.block].parameters))
        for r in target.runs
    )


def _free_name(instances: list[Block], taken: set[str]) -> str:
    """The name of a class: that of its block, where another has it with the flag or word that sets it apart, or a number."""
    block = instances[0]
    base = block.definition.class_name or class_name(block.definition.name)
    flags = [k for k in block.args if all(b.args[k] is True for b in instances)]
    flags += [value for value in block.args.values() if isinstance(value, str) and value != "none"]
    for argument, value in block.args.items():
        if value == "none" and base.endswith(word := class_name(argument)):
            base = base.removesuffix(word) or base  # ConvNormAct without its act
    told = ["Plain"] if block.variant == "none" else [class_name(flag) for flag in flags]
    for name in (base, *(f"{word}{base}" for word in told), f"{base}Block"):
        if name.isidentifier() and name not in taken and name not in IMPORTED:
            return name
    return next(n for i in range(2, 10_000) if (n := f"{base}{i}") not in taken)


__all__ = ["BlockClass", "Member", "Outline", "Parameter", "outline"]

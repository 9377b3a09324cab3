"""What the classes of emitted source are: one for each kind of block, with a parameter for whatever differs.

A backend turns this into text. Numbers that differ between the instances of a class are written in terms of its
parameters, as the spec wrote them; each such expression is checked against every instance before it is used.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from archspec.emission.alignment import CallsOf, aligned
from archspec.emission.block_classes import BlockClass, ClassOf, Member, Parameter, Spelling, signature
from archspec.emission.class_maker import make_class
from archspec.emission.repeats import (
    is_chain_of_one_step,
    make_first_and_loop,
    make_loop,
    repeats_one_step,
)  # fmt: skip
from archspec.ir import Block, Call, Chain, tapped
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
    calls = aligned(blocks)
    calls[net.root] = net.root.calls
    spelling = _spelling([net.root, *blocks], {net.class_name, *reserved})
    taken = {net.class_name, *reserved, *spelling.values()}
    known: dict[object, BlockClass] = {}
    zeroed = net.init.zero_last_norm
    chains = {inner for block in blocks for inner in _inside(block) if is_chain_of_one_step(inner)}

    def kind(block: Block) -> object:
        own = (block.definition.origin, "of any length") if block in chains else _kind(block, calls[block])
        return own, zeroed and block.branch is None

    for group in _groups(blocks, kind):
        for made in _made(group, result.of, spelling, calls, lambda instances: _free_name(instances, taken)):
            own = signature(made, result.of)
            if (same := known.get(own)) is not None:
                same.take(made)
            else:
                taken.add(made.name)
                result.classes.append(made)
                same = known[own] = made
            result.of.update(dict.fromkeys(made.instances, same))
    result.root = make_class(net.class_name, [net.root], result.of, spelling, calls)
    result.classes = list(_inner_first(result))
    return result


def _made(
    group: list[Block], of: ClassOf, spelling: Spelling, calls: CallsOf, name: Callable[[list[Block]], str]
) -> Iterator[BlockClass]:
    """The classes of blocks that may share one, each made when the one before it has its name."""
    parts = _by(lambda block: tuple(call.name for call in calls[block]), group)
    if len(parts) > 1:
        make = make_first_and_loop if is_chain_of_one_step(group[0]) else make_loop
        if (made := make(name(group), group, of, spelling, calls)) is not None:
            yield made
            return
    for part in parts:
        for instances in _split(part, of, calls):
            yield make_class(name(instances), instances, of, spelling, calls)


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


def _groups(blocks: Iterable[Block], kind_of: Callable[[Block], object]) -> Iterator[list[Block]]:
    """The blocks of a net that may share a class, each group after those of all the blocks inside of it."""
    groups: dict[object, list[Block]] = {}
    kinds: dict[Block, object] = {}
    for block in blocks:
        kinds[block] = kind_of(block)
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


def _split(group: list[Block], of: ClassOf, calls: CallsOf) -> Iterator[list[Block]]:
    """As few classes as can be written: in each, a call applies the same kind of thing wherever it is present."""
    parts: list[tuple[list[Block], list[object]]] = []
    for block in group:
        kinds = [_target_kind(c, of) if c.present else None for c in calls[block]]
        for blocks, known in parts:
            if all(a is None or b is None or a == b for a, b in zip(known, kinds, strict=True)):
                blocks.append(block)
                known[:] = [b if a is None else a for a, b in zip(known, kinds, strict=True)]
                break
        else:
            parts.append(([block], kinds))
    yield from (blocks for blocks, _ in parts)


def _by(trait: Callable[[Block], object], blocks: list[Block]) -> list[list[Block]]:
    parts: dict[object, list[Block]] = {}
    for block in blocks:
        parts.setdefault(trait(block), []).append(block)
    return list(parts.values())


def _kind(block: Block, calls: Sequence[Call]) -> object:
    """Equal for blocks that may be instances of one class."""
    words = tuple((k, v) for k, v in block.args.items() if isinstance(v, str))
    if repeats_one_step(block):
        return block.definition, words
    wired = tuple((c.name, c.inputs, c.role, c.when is None, tapped(c), c.owner) for c in calls)
    return block.definition.origin or block.definition, block.variant, words, wired, block.taps


def _target_kind(call: Call, of: ClassOf) -> object:
    target = call.target
    if isinstance(target, Op):
        flags = tuple(v for v in target.attributes.values() if isinstance(v, (bool, str)))
        return target.kind, flags, tuple((type(shape), len(shape)) for shape in call.input_shapes), call.starts
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
    plain = block.variant == "none" or (block.variant and all(b.branch is None for b in instances))
    told = ["Plain"] if plain else sorted(map(class_name, flags), key=lambda word: not word.isalpha())
    spare = [] if base.endswith("Block") else [f"{base}Block"]
    for name in (base, *(f"{word}{base}" for word in told), *spare):
        if name.isidentifier() and name not in taken and name not in IMPORTED:
            return name
    return next(n for i in range(2, 10_000) if (n := f"{base}{i}") not in taken)


__all__ = ["BlockClass", "Member", "Outline", "Parameter", "outline"]

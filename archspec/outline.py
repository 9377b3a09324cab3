"""What the classes of emitted source are: one for each kind of block, with a parameter for whatever differs.

A backend turns this into text. Numbers that differ between the instances of a class are written in terms of its
parameters, as the spec wrote them; each such expression is checked against every instance before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from archspec.expressions import Expr, Literal, Name, Symbol, Value, names
from archspec.ir import Block, Call, Chain, Definition
from archspec.names import IMPORTED, class_name
from archspec.network import Network
from archspec.ops import Op
from archspec.simplify import simplify
from archspec.terms import channels_of, expressible, numbers_of, out_of, simplified


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constructor argument of a class."""

    name: str
    default: Value | None


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A call of a class, with its numbers as expressions in the parameters of the class."""

    call: Call  # of an instance in which it is present
    in_channels: Expr
    numbers: Mapping[str, Symbol]  # arguments of an operation or block
    when: Expr | None  # None: always there

    @property
    def is_idle(self) -> bool:
        """Whether it gives its input as it is, in every instance of the class."""
        idle = self.call.target.idle if isinstance(self.call.target, Op) else {}
        return bool(idle) and all(_is_always(self.numbers[name], value) for name, value in idle.items())


def _is_always(symbol: Symbol, value: int) -> bool:
    """Whether a number, or both of a pair, is written as this one."""
    return all(part == Literal(value) for part in (symbol if isinstance(symbol, tuple) else (symbol,)))


@dataclass(frozen=True, slots=True, eq=False)
class BlockClass:
    """A class of emitted source."""

    name: str
    definition: Definition
    instances: tuple[Block, ...]
    parameters: tuple[Parameter, ...]
    members: tuple[Member, ...]
    out_channels: Expr

    @property
    def example(self) -> Block:
        """An instance, for what is the same in all."""
        return self.instances[0]


@dataclass(slots=True)
class Outline:
    """The classes of a net in the order of definition, and which one each block is an instance of."""

    classes: list[BlockClass] = field(default_factory=list)
    of: dict[Block, BlockClass] = field(default_factory=dict)
    root: BlockClass | None = None


def outline(net: Network, reserved: Collection[str] = ()) -> Outline:
    """Decide the classes of a net; names in `reserved` are those of other things in the file."""
    result = Outline()
    taken = {net.class_name, *reserved}
    for group in _groups(net.root):
        for instances in _split(group, result.of):
            made = _make_class(_free_name(instances, taken), instances)
            taken.add(made.name)
            result.classes.append(made)
            result.of.update(dict.fromkeys(instances, made))
    result.root = _make_class(net.class_name, [net.root])
    result.classes = list(_inner_first(result))
    return result


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


def _groups(root: Block) -> Iterator[list[Block]]:
    """The blocks of a net that may share a class, each group after those of all the blocks inside of it."""
    groups: dict[object, list[Block]] = {}
    for block in _blocks(root):
        groups.setdefault(_kind(block), []).append(block)
    done: set[object] = set()

    def visit(kind: object) -> Iterator[list[Block]]:
        if kind not in done:
            done.add(kind)
            for block in groups[kind]:
                for inner in _inside(block):
                    yield from visit(_kind(inner))
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


ClassOf = Mapping[Block, BlockClass]
"""The class of each block, as far as they are decided."""


def _split(group: list[Block], of: ClassOf) -> list[list[Block]]:
    """As few classes as can be written: one, else one for each way of joining values, choice of flags, and so on."""
    parts = [group]
    for trait in (_joins, _flags, lambda block: _structure(block, of), id):
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
    return expressible(group)


def _target_kind(call: Call, of: ClassOf) -> object:
    if isinstance(call.target, Op):
        flags = tuple(v for v in call.target.attributes.values() if isinstance(v, (bool, str)))
        return call.target.kind, flags
    return of[call.target] if isinstance(call.target, Block) else "chain"


def _free_name(instances: list[Block], taken: set[str]) -> str:
    """The name of a class: that of its block, where another has it with the flag or word that sets it apart, or a number."""
    block = instances[0]
    base = block.definition.class_name or class_name(block.definition.name)
    flags = [k for k in block.args if all(b.args[k] is True for b in instances)]
    flags += [value for value in block.args.values() if isinstance(value, str)]
    told = ["Plain"] if block.variant == "none" else [class_name(flag) for flag in flags]
    for name in (base, *(f"{word}{base}" for word in told), f"{base}Block"):
        if name.isidentifier() and name not in taken and name not in IMPORTED:
            return name
    return next(n for i in range(2, 10_000) if (n := f"{base}{i}") not in taken)


# --- one class ------------------------------------------------------------------------------------------------


def _make_class(name: str, instances: list[Block]) -> BlockClass:
    constants = _constants(instances)
    channels = channels_of(instances[0], instances)
    members: list[Member] = []
    for index, _ in enumerate(instances[0].calls):
        calls = [b.calls[index] for b in instances]
        call = next((c for c in calls if c.present), None)
        if call is None:
            continue
        varies = not all(c.present for c in calls)
        numbers = numbers_of(
            call,
            [c for c in calls if c.present],
            [b.args for b in instances if b.calls[index].present],
            channels,
        )
        member = Member(
            call=call,
            in_channels=simplify(channels[call.inputs[0]], constants),
            numbers={k: simplified(s, constants) for k, s in numbers.items()},
            when=simplify(call.when, constants) if varies and call.when else None,
        )
        if not member.is_idle:
            members.append(member)
    out = (
        Name("out_channels")
        if "out_channels" in instances[0].args
        else simplify(out_of(instances, channels), constants)
    )
    used = set().union(set[str](), *(_names_of(m) for m in members))
    parameters = tuple(
        Parameter(a, _default(instances[0].definition, a))
        for a in instances[0].args
        if a in used and a not in constants
    )
    return BlockClass(name, instances[0].definition, tuple(instances), parameters, tuple(members), out)


def _names_of(member: Member) -> set[str]:
    exprs: list[Expr] = [member.in_channels, *([member.when] if member.when else [])]
    for symbol in member.numbers.values():
        exprs.extend(symbol if isinstance(symbol, tuple) else [symbol])
    return set().union(*map(names, exprs))


def _default(definition: Definition, name: str) -> Value | None:
    value = definition.defaults.get(name, 1 if name == "stride" else None)
    return value if isinstance(value, (int, float)) else None  # an expression is no constant


def _constants(instances: list[Block]) -> dict[str, Value]:
    """Arguments that are written as numbers: those with a default that no instance departs from differently.

    A stride that is not 1 stays an argument: a reader looks for it where the block is used.
    """
    constants: dict[str, Value] = {}
    for name, value in instances[0].args.items():
        if name == "stride" and value != 1:
            continue
        optional = name in instances[0].definition.defaults or name == "stride" or isinstance(value, str)
        if optional and all(b.args[name] == value for b in instances):
            constants[name] = value
    return constants

"""What the classes of emitted source are: one for each kind of block, with a parameter for whatever differs.

A backend turns this into text. Numbers that differ between the instances of a class are written in terms of its
parameters, as the spec wrote them; each such expression is checked against every instance before it is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from archspec.expressions import Apply, Expr, ExpressionError, Literal, Name, Value, evaluate, names
from archspec.ir import Block, Call, Chain, Definition, Symbol
from archspec.merging import substitute
from archspec.names import class_name
from archspec.network import Network
from archspec.ops import Concat, Conv, Flatten, Linear, Op, PadChannels
from archspec.simplify import simplify


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
    groups: dict[object, list[Block]] = {}
    for block in _blocks(net.root):
        groups.setdefault(_kind(block), []).append(block)
    taken = {net.class_name, *reserved}
    for group in groups.values():
        for instances in _split(group):
            made = _make_class(_free_name(instances[0], taken), instances)
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


def _blocks(root: Block) -> Iterator[Block]:
    """Every block of a net once, inner ones first."""
    seen: set[Block] = set()

    def visit(block: Block) -> Iterator[Block]:
        for call in block.calls:
            target = call.target
            inner = (
                [run.block for run in target.runs]
                if isinstance(target, Chain)
                else [target]
                if isinstance(target, Block)
                else []
            )
            for other in inner:
                if other not in seen:
                    seen.add(other)
                    yield from visit(other)
                    yield other

    yield from visit(root)


def _split(group: list[Block]) -> list[list[Block]]:
    """As few classes as can be written: one, else one for each choice of flags, else one for each block."""
    if _uniform(group):
        return [group]
    by_flags: dict[object, list[Block]] = {}
    for block in group:
        flags = tuple((k, v) for k, v in block.args.items() if isinstance(v, bool))
        by_flags.setdefault(flags, []).append(block)
    return [part for same in by_flags.values() for part in ([same] if _uniform(same) else [[b] for b in same])]


def _kind(block: Block) -> object:
    """Equal for blocks that may be instances of one class."""
    words = tuple((k, v) for k, v in block.args.items() if isinstance(v, str))
    calls = tuple((c.name, c.inputs, c.role, c.when is None) for c in block.calls)
    return block.definition, block.variant, words, calls


def _uniform(group: list[Block]) -> bool:
    """Whether the same calls apply the same kinds of things wherever they are present."""
    for calls in zip(*(b.calls for b in group), strict=True):
        kinds = {_target_kind(c) for c in calls if c.present}
        if len(kinds) > 1 or (len({c.present for c in calls}) > 1 and len(calls[0].inputs) > 1):
            return False
    return _expressible(group)


def _target_kind(call: Call) -> object:
    if isinstance(call.target, Op):
        flags = tuple(v for v in call.target.attributes.values() if isinstance(v, (bool, str)))
        return call.target.kind, flags
    return (call.target.definition, call.target.variant) if isinstance(call.target, Block) else "chain"


def _free_name(block: Block, taken: set[str]) -> str:
    base = block.definition.class_name or class_name(block.definition.name)
    for name in (base, f"Plain{base}" if block.variant == "none" else f"{base}Block"):
        if name not in taken and name not in _TAKEN:
            return name
    return next(n for i in range(2, 10_000) if (n := f"{base}{i}") not in taken)


_TAKEN = {"Tensor", "Module", "Any", "F", "nn", "torch", "math", "jax", "jnp", "nnx"}


# --- one class ------------------------------------------------------------------------------------------------


def _make_class(name: str, instances: list[Block]) -> BlockClass:
    constants = _constants(instances)
    channels = _channels(instances[0], instances)
    members: list[Member] = []
    for index, _ in enumerate(instances[0].calls):
        calls = [b.calls[index] for b in instances]
        call = next((c for c in calls if c.present), None)
        if call is None:
            continue
        varies = not all(c.present for c in calls)
        numbers = _numbers(
            call,
            [c for c in calls if c.present],
            [b.args for b in instances if b.calls[index].present],
            channels,
        )
        members.append(
            Member(
                call=call,
                in_channels=simplify(channels[call.inputs[0]], constants),
                numbers={k: _simplify(s, constants) for k, s in numbers.items()},
                when=simplify(call.when, constants) if varies and call.when else None,
            )
        )
    out = (
        Name("out_channels")
        if "out_channels" in instances[0].args
        else simplify(channels[instances[0].output], constants)
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


def _numbers(
    call: Call, calls: list[Call], scopes: list[Mapping[str, Value]], channels: Mapping[str, Expr]
) -> dict[str, Symbol]:
    """Each argument as the spec wrote it where that holds in all instances, else as a literal."""
    if isinstance(call.target, Chain):
        return {}
    if isinstance(call.target, Block):
        values = [c.target.args for c in calls if isinstance(c.target, Block)]
        symbols = {"in_channels": channels[call.inputs[0]], **call.symbols}
    else:
        values = [c.target.attributes for c in calls if isinstance(c.target, Op)]
        symbols = {**call.symbols, **call.target.implied_symbols(call.symbols)}
    result: dict[str, Symbol] = {}
    for name, value in values[0].items():
        symbol = symbols.get(name)
        if symbol is not None and all(_holds(symbol, v[name], s) for v, s in zip(values, scopes, strict=True)):
            result[name] = symbol
        elif isinstance(value, tuple):
            result[name] = Literal(value[0]), Literal(value[1])
        else:
            result[name] = Literal(value)
    return result


def _expressible(group: list[Block]) -> bool:
    """Whether every number that differs between instances is given by an expression that holds in all."""
    if len(group) == 1:
        return True
    channels = _channels(group[0], group)
    for index, _ in enumerate(group[0].calls):
        pairs = [(b.calls[index], b) for b in group if b.calls[index].present]
        if not pairs:
            continue
        scopes = [b.args for _, b in pairs]
        calls = [c for c, _ in pairs]
        for c, b in pairs:
            if not _holds(channels[c.inputs[0]], c.input_shapes[0][0], b.args):
                return False
        numbers = _numbers(calls[0], calls, scopes, channels)
        for call, scope in zip(calls, scopes, strict=True):
            target = call.target
            values = (
                target.args if isinstance(target, Block) else target.attributes if isinstance(target, Op) else {}
            )
            if not all(_holds(symbol, values[name], scope) for name, symbol in numbers.items()):
                return False
    return True


def _holds(symbol: Symbol, value: object, scope: Mapping[str, Value]) -> bool:
    try:
        if isinstance(symbol, tuple):
            return tuple(evaluate(s, scope) for s in symbol) == value
        result = evaluate(symbol, scope)
    except ExpressionError:
        return False
    return value in (result, (result, result))


def _simplify(symbol: Symbol, constants: Mapping[str, Value]) -> Symbol:
    if isinstance(symbol, tuple):
        return simplify(symbol[0], constants), simplify(symbol[1], constants)
    return simplify(symbol, constants)


# --- channels of values, as expressions ------------------------------------------------------------------------


def _channels(block: Block, instances: list[Block]) -> dict[str, Expr]:
    """The channels of each value of a block, in terms of its arguments."""
    first, *others = block.inputs
    channels: dict[str, Expr] = {
        first[0]: Name("in_channels") if "in_channels" in block.args else Literal(first[1][0])
    }
    channels |= {name: Name("out_channels") for name, _ in others}
    for index, _ in enumerate(block.calls):
        calls = [b.calls[index] for b in instances]
        call = next((c for c in calls if c.present), calls[0])
        expr = _of_call(call, channels)
        # what the net itself is written in terms of are arguments of the spec, which its class does not have
        channels[call.name] = expr if names(expr) <= {*block.args, "out_channels"} else Literal(call.shape[0])
    return channels


def _of_call(call: Call, channels: Mapping[str, Expr]) -> Expr:
    target, first = call.target, channels[call.inputs[0]]
    if not call.present:
        return first
    if isinstance(target, (Conv, Linear)):
        symbol = call.symbols.get("out")
        return symbol if symbol is not None and not isinstance(symbol, tuple) else Literal(target.out)
    if isinstance(target, Concat):
        total = first
        for name in call.inputs[1:]:
            total = Apply("+", (total, channels[name]))
        return total
    if isinstance(target, PadChannels):
        return Literal(call.shape[0])
    if isinstance(target, Flatten):
        return Literal(call.shape[0])
    if isinstance(target, Block):
        out = target.definition.out
        symbols: dict[str, Symbol] = {k: Literal(v) for k, v in target.args.items()}
        symbols |= {**call.symbols, "in_channels": first}
        if call.role == "shortcut":
            symbol = call.symbols["out_channels"]
            return first if isinstance(symbol, tuple) else symbol
        return substitute(out, symbols) if out is not None else Literal(call.shape[0])
    return Literal(call.shape[0]) if isinstance(target, Chain) else first

"""One class of emitted source: its parameters and its members, and what tells it from another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from archspec.emission.symbols import exprs, literal
from archspec.ir import Block, Call, Definition
from archspec.ops import Op
from archspec.syntax.expressions import Expr, Name, Symbol, Value, substitute
from archspec.syntax.simplify import normal, simplify

PAIR = "tuple[int, int]"
"""The type in source of a pair."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constructor argument of a class: its name in source, and the argument of the block that it is."""

    name: str
    argument: str
    kind: str  # its type in source
    default: Value | None


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A call of a class, with its numbers as expressions in the parameters of the class."""

    call: Call  # of an instance in which it is present
    in_channels: Expr
    numbers: Mapping[str, Symbol]  # arguments of an operation, or by name the parameters of a block's class
    when: Expr | None  # None: always there
    written: Mapping[str, Expr] = field(
        default_factory=dict
    )  # numbers of a block as the spec wrote them, unsimplified
    loop: Expr | None = None  # of the layers of a chain behind its first: how many the chain has


@dataclass(frozen=True, slots=True, eq=False)
class BlockClass:
    """A class of emitted source."""

    name: str
    definition: Definition
    instances: list[Block]
    parameters: tuple[Parameter, ...]
    computed: Mapping[str, Expr]  # arguments that follow from others, by name
    members: tuple[Member, ...]
    in_channels: Expr | None  # None: not the same in all instances, and no parameter says them
    out_channels: Expr | None
    gives: Expr  # the output's channels in the names of the block's arguments
    made: dict[Block, Mapping[str, Value]] = field(default_factory=dict)  # parameters that no argument says
    count: Name | None = None  # of a class that repeats its one member, the parameter that says how often
    taps: Mapping[str, Expr] = field(default_factory=dict)  # the channels of each, as in `gives`
    outputs: Mapping[str, Expr | None] = field(default_factory=dict)  # the channels of each named output

    @property
    def example(self) -> Block:
        """An instance, for what is the same in all."""
        return self.instances[0]

    def passed_on(self) -> dict[str, str]:
        """The value that each call which the class does not have passes on: where nothing else made it, an input."""
        here = {m.call.name for m in self.members}
        passed: dict[str, str] = {}
        for call in self.example.calls:
            if call.name not in here:
                passed[call.name] = passed.get(call.inputs[0], call.inputs[0])
        return passed

    def take(self, other: BlockClass) -> None:
        """Have the instances of a class that reads the same."""
        self.instances.extend(other.instances)
        self.made.update(other.made)

    def value(self, block: Block, parameter: Parameter) -> Value:
        """What an instance is given for a parameter."""
        if parameter.argument in block.args:
            value = block.args[parameter.argument]
            return value[0] if isinstance(value, tuple) and parameter.kind != PAIR else value
        return self.made[block][parameter.argument]

    def values(self, block: Block) -> dict[str, Symbol]:
        """What an instance is given for each parameter, by name."""
        return {p.name: literal(self.value(block, p)) for p in self.parameters}

    def scope(self, numbers: Mapping[str, Symbol]) -> dict[str, Symbol]:
        """The parameters of an instance, and what follows from them, as numbers of the place where it is used."""
        known = dict(numbers)
        for name, expr in self.computed.items():
            known[name] = simplify(substitute(expr, known), {})
        return known


ClassOf = Mapping[Block, BlockClass]
"""The class of each block, as far as they are decided."""


Spelling = Mapping[str, str]
"""The name in source of each argument."""


def condition(call: Call) -> str:
    """What a parameter is called that says whether a call is there."""
    return f"has_{'shortcut' if call.role == 'merge' else word_of(call)}"


def word_of(call: Call) -> str:
    """What a parameter that belongs to a call is called after."""
    if not call.name.isdigit():
        return call.name.replace("-", "_").replace(".", "_")
    kind = call.target.kind if isinstance(call.target, Op) else "block"
    return f"{kind}{call.name}"


def exprs_of(member: Member) -> Iterator[Expr]:
    """Every expression of a member."""
    yield member.in_channels
    if member.when is not None:
        yield member.when
    if member.loop is not None:
        yield member.loop
    for symbol in member.numbers.values():
        yield from exprs(symbol)


def signature(cls: BlockClass, of: ClassOf) -> object:
    """What tells the source of a class from that of another: equal where one class would do for both."""
    kinds = [(p.name, p.kind, p.default) for p in cls.parameters]
    computed = [(name, normal(expr)) for name, expr in cls.computed.items()]
    passed = cls.passed_on()
    calls = tuple(_signature(member, of, passed) for member in cls.members)
    output = passed.get(cls.example.output, cls.example.output)
    return cls.definition, tuple(kinds), tuple(computed), calls, output, cls.count, cls.example.taps


def _signature(member: Member, of: ClassOf, passed: Mapping[str, str]) -> object:
    call = member.call
    target = (
        of[call.target]
        if isinstance(call.target, Block)
        else call.target.kind
        if isinstance(call.target, Op)
        else call
    )
    numbers = tuple((name, tuple(map(normal, exprs(symbol)))) for name, symbol in member.numbers.items())
    sized = (
        normal(member.in_channels)
        if isinstance(call.target, Op) and call.target.is_sized(*call.input_shapes)
        else None
    )
    types = tuple((type(shape), len(shape)) for shape in call.input_shapes)
    inputs = tuple(passed.get(i, i) for i in call.inputs)
    return (
        call.name,
        inputs,
        target,
        sized,
        numbers,
        member.when and normal(member.when),
        member.loop and normal(member.loop),
        types,
        call.starts,
        call.owner,
    )

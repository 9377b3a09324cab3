"""The making of a class of emitted source: its parameters, its members, and their numbers in terms of the parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from archspec.emission.alignment import CallsOf, closed_up
from archspec.emission.block_classes import (
    PAIR,
    BlockClass,
    ClassOf,
    Member,
    Parameter,
    Spelling,
    condition,
    exprs_of,
    word_of,
)
from archspec.emission.renaming import in_names, renamed, uses_of_names
from archspec.emission.symbols import UNKNOWN, Terms, exprs, literal
from archspec.ir import STEPS, Block, Call, tapped
from archspec.ops import Features, Op
from archspec.ops.base import SymbolicShape
from archspec.syntax.expressions import Apply, Expr, Literal, Name, Symbol, Value, names, substitute, substituted
from archspec.syntax.simplify import simplify


def make_class(
    name: str, instances: Sequence[Block], of: ClassOf, spelling: Spelling, calls: CallsOf
) -> BlockClass:
    """The class of blocks that have the same calls, as `calls` says them."""
    own = [calls[block] for block in instances]
    aligned = closed_up(own) if instances[0].definition.positional else own
    return _Maker(instances, of, spelling, aligned).make(name)


class _Maker:
    def __init__(
        self, instances: Sequence[Block], of: ClassOf, spelling: Spelling, calls: Sequence[Sequence[Call]]
    ) -> None:
        self.instances = instances
        self.calls = calls
        self.example = instances[0]
        given = {name: value for b in reversed(instances) for name, value in b.args.items()}
        # what no step of a chain uses that is there, is not known in it, and does not matter
        self.args = [{**given, **b.args} for b in instances]
        self.definition = self.example.definition
        self.of = of
        self.spelling = spelling
        self.derived = self._derived()
        self.terms = Terms(self.args, self._constants())
        self.channels: dict[str, Symbol] = {}
        self.members: list[Member] = []

    def make(self, name: str) -> BlockClass:
        self._inputs()
        last = self.calls[0][-1].name if self.definition.positional else self.example.output
        for index, call in enumerate(self.calls[0]):
            self._call(index, call.name)
        example = self.example
        out = [self.definition.out, Name("out_channels") if "out_channels" in self.args[0] else None]
        gives = self.terms.claimed([*out, self.channels[last]], [b.shape.channels for b in self.instances])
        computed = self._computed()
        parameters = self._parameters(computed)
        known = {
            a: Name(n)
            for a, n in [*((p.argument, p.name) for p in parameters), *((c, self._spelt(c)) for c in computed)]
        }
        follows = {n: self.derived[n] for n in reversed(self.derived) if n not in computed}
        into = self.channels[example.inputs[0][0]]
        return BlockClass(
            name=name,
            definition=self.definition,
            instances=list(self.instances),
            parameters=parameters,
            computed={self._spelt(c): substitute(e, known) for c, e in computed.items()},
            members=tuple(renamed(m, known) for m in self.members),
            in_channels=in_names(into, follows, known),
            out_channels=in_names(gives, follows, known),
            gives=UNKNOWN if gives is None or isinstance(gives, tuple) else gives,
            made={
                block: {n: column[i] for n, column in self.terms.made.items()}
                for i, block in enumerate(self.instances)
            } if self.terms.made else {},
            taps={tap: self._channels(tap) for tap in example.taps},
            outputs={o.name: in_names(self.channels[o.value], follows, known) for o in example.outputs},
        )  # fmt: skip

    # --- arguments -------------------------------------------------------------------------------------

    def _derived(self) -> dict[str, Expr]:
        """The arguments that follow from others by their defaults, in every instance."""
        terms = Terms(self.args, {})
        return {
            name: default
            for name, default in self.definition.derived.items()
            if name in self.args[0]
            and terms.claimed([default], terms.columns[name]) == simplify(default, {}, terms.reals)
        }

    def _constants(self) -> dict[str, Value]:
        """Arguments that are written as numbers: those with a default that no instance departs from differently.

        A stride that is not 1 stays an argument: a reader looks for it where the block is used.
        """
        constants: dict[str, Value] = {}
        for name, value in self.args[0].items():
            if name == "stride" and value != 1:
                continue
            if name in self.derived:
                follows = simplify(self.derived[name], constants)
                if isinstance(follows, Literal):
                    constants[name] = follows.value
                continue
            optional = name in self.definition.defaults or name == "stride" or isinstance(value, str)
            if optional and all(args[name] == value for args in self.args):
                constants[name] = value
        return constants

    def _computed(self) -> dict[str, Expr]:
        """The arguments that the constructor computes, and those that are used once put where they are used."""
        computed: dict[str, Expr] = {}
        for name in reversed([n for n in self.derived if n not in self.terms.constants]):
            uses = Counter[str]()
            for expr in [*(e for m in self.members for e in self._written_of(m)), *computed.values()]:
                uses.update(uses_of_names(expr))
            expr = simplify(self.derived[name], self.terms.constants, self.terms.reals)
            if uses[name] > 1 and not isinstance(expr, Name):
                computed[name] = expr
            elif uses[name]:
                put = {name: expr}
                self.members = [renamed(m, put, shorter=True) for m in self.members]
                computed = {n: simplify(substitute(e, put), {}) for n, e in computed.items()}
        return dict(reversed(computed.items()))

    def _written_of(self, member: Member) -> Iterator[Expr]:
        """The expressions of a member; of a chain that is written where it stands, those of its layers."""
        target = member.call.target
        if not isinstance(target, Block) or target.definition.class_name != STEPS:
            yield from exprs_of(member)
            return
        cls = self.of[target]
        scope = cls.scope(member.numbers)
        for inner in cls.members:
            yield from (e for expr in exprs_of(inner) for e in exprs(substituted(expr, scope)))

    def _parameters(self, computed: Mapping[str, Expr]) -> tuple[Parameter, ...]:
        """What is used, those first that have to be given."""
        used = set().union(
            set[str](), *(names(e) for m in self.members for e in exprs_of(m)), *map(names, computed.values())
        )
        parameters = [
            Parameter(self._spelt(name), name, self._kind(name), self._default(name))
            for name in self.terms.columns
            if name in used and name not in self.terms.constants and name not in computed
        ]
        return tuple(sorted(parameters, key=lambda p: p.default is not None))

    def _default(self, name: str) -> Value | None:
        if name in self.definition.derived or name in self.terms.made:
            return None
        args = self.args[0]
        defaults = self.definition.defaults if "in_channels" in args else args  # a net has its own numbers
        value = defaults.get(name, 1 if name == "stride" else None)
        if isinstance(value, tuple) and name in self.terms.square:
            return value[0] if value[0] == value[1] else None
        return value if isinstance(value, (int, float, tuple)) else None

    def _kind(self, name: str) -> str:
        kinds = {type(value) for value in self.terms.columns[name]}
        kind = "float" if kinds == {int, float} else kinds.pop().__name__
        return PAIR if kind == "tuple" else kind

    def _spelt(self, name: str) -> str:
        return self.spelling.get(name, name)

    # --- calls -----------------------------------------------------------------------------------------

    def _inputs(self) -> None:
        for place, (name, _) in enumerate(self.example.inputs):
            own = f"{name}_channels"
            unnamed = Name("out_channels") if place else Name("in_channels")
            candidate = Name(own) if own in self.args[0] else unnamed
            claimed = self.terms.claimed([candidate], [b.inputs[place][1].channels for b in self.instances])
            self.channels[name] = UNKNOWN if claimed is None else claimed

    def _call(self, index: int, name: str) -> None:
        """Find the numbers of a call, and the channels that it gives."""
        calls = [own[index] for own in self.calls]
        which = [i for i, c in enumerate(calls) if c.present]
        if not which:
            self.channels[name] = self.channels[calls[0].inputs[0]]
            return
        present = [calls[i] for i in which]
        call = present[0]
        numbers, given = self._numbers(present, which)
        when = None
        if len(which) < len(calls):
            written = self.terms.written(condition(call), [call.when], [c.present for c in calls])
            assert not isinstance(written, tuple)
            when = written
        self.channels[name] = self._given(call, calls, given, when)
        self._tapped(present, numbers)
        if self.definition.positional or not _is_idle(present):  # a chain has its numbers
            self.members.append(Member(call, self._in_channels(present, which), numbers, when, self._written(call)))

    def _tapped(self, present: list[Call], numbers: Mapping[str, Symbol]) -> None:
        """Find the channels of what the steps inside of a chain give, where they are used around it."""
        call, target = present[0], present[0].target
        if not isinstance(target, Block) or not target.taps:
            return
        cls = self.of[target]
        inside = {p.argument: numbers[p.name] for p in cls.parameters}
        known = {**{k: literal(v) for k, v in target.args.items()}, **self._given_to(call, target), **inside}
        for name, tap in zip(tapped(call), target.taps, strict=True):
            made = [c.target.call(tap) for c in present if isinstance(c.target, Block)]
            values = [step.shape.channels for step in made if step is not None]
            claimed = self.terms.claimed([substitute(cls.taps[tap], known)], values)
            self.channels[name] = UNKNOWN if claimed is None else claimed

    def _numbers(self, present: list[Call], which: list[int]) -> tuple[dict[str, Symbol], Expr]:
        """The numbers of a call where it is present, and the channels that these say it gives."""
        call, target = present[0], present[0].target
        if isinstance(target, Op):
            symbols = {**call.symbols, **target.implied_symbols(call.symbols)}
            numbers: dict[str, Symbol] = {}
            for name, value in target.attributes.items():
                values = [getattr(c.target, name) for c in present]
                # dialects choose what to write by flags and words, so a class has them as they are
                numbers[name] = (
                    literal(value)
                    if isinstance(value, (bool, str))
                    else self.terms.written(f"{word_of(call)}_{name}", [symbols.get(name)], values, which)
                )
            shapes = [
                _in_symbols(shape, self._channels(source))
                for source, shape in zip(call.inputs, call.input_shapes, strict=True)
            ]
            return numbers, target.symbolic_shape(numbers, *shapes)[call.shape.axis]
        if not isinstance(target, Block):
            return {}, UNKNOWN
        cls = self.of[target]
        numbers = {p.name: self._given_number(p, cls, present, which) for p in cls.parameters}
        inside = {p.argument: numbers[p.name] for p in cls.parameters}
        symbols = self._given_to(call, target)
        return numbers, substitute(
            cls.gives, {**{k: literal(v) for k, v in target.args.items()}, **symbols, **inside}
        )

    def _given_number(self, parameter: Parameter, cls: BlockClass, present: list[Call], which: list[int]) -> Symbol:
        """What a block is given for a parameter, wherever it has it."""
        calls = {i: c for i, c in zip(which, present, strict=True) if _has(c, parameter, cls)}
        if not calls:  # then it does not matter
            return next(literal(cls.value(b, parameter)) for b in cls.instances if parameter.argument in b.args)
        first = next(iter(calls.values()))
        assert isinstance(first.target, Block)
        written = self._given_to(first, first.target).get(parameter.argument)
        values = [cls.value(c.target, parameter) for c in calls.values() if isinstance(c.target, Block)]
        counts = any(member.loop == Name(parameter.name) for member in cls.members)
        candidates = [Name(name) for name in self.terms.columns] if counts else [written]
        return self.terms.written(f"{word_of(first)}_{parameter.argument}", candidates, values, list(calls))

    def _written(self, call: Call) -> dict[str, Expr]:
        """The numbers that a block is given as they are written there, by the parameters of its class."""
        if not isinstance(call.target, Block):
            return {}
        symbols = {p.name: call.symbols.get(p.argument) for p in self.of[call.target].parameters}
        return {name: s for name, s in symbols.items() if s is not None and not isinstance(s, tuple)}

    def _given_to(self, call: Call, target: Block) -> dict[str, Symbol]:
        """The arguments of a block as they are written where it is used, its defaults included."""
        symbols: dict[str, Symbol] = {"in_channels": self._channels(call.inputs[0]), **call.symbols}
        for name in target.args:
            if name not in symbols and name in target.definition.derived:
                symbols[name] = substitute(target.definition.derived[name], symbols)
            elif name not in symbols:
                symbols[name] = literal(target.args[name])
        return symbols

    def _given(self, call: Call, calls: list[Call], present: Expr, when: Expr | None) -> Symbol:
        """The channels that a call gives; where it may be absent, it gives those of its input."""
        candidates = [present]
        if when is not None:
            absent = self._channels(call.inputs[0])
            candidates += [absent, Apply("if", (when, present, absent))]
        claimed = self.terms.claimed(candidates, [c.shape.channels for c in calls])
        return UNKNOWN if claimed is None else claimed

    def _in_channels(self, present: list[Call], which: list[int]) -> Expr:
        """The channels that a layer is made for; of what has none the first input's, which nobody reads."""
        call, target = present[0], present[0].target
        if not isinstance(target, Op) or not target.is_sized(*call.input_shapes) or not call.inputs:
            return Literal(call.input_shapes[0].channels if call.inputs else 1)
        values = [c.input_shapes[0].channels for c in present]
        symbol = self.terms.written(f"{word_of(call)}_channels", [self._channels(call.inputs[0])], values, which)
        assert not isinstance(symbol, tuple)
        return symbol

    def _channels(self, value: str) -> Expr:
        symbol = self.channels[value]
        assert not isinstance(symbol, tuple)
        return symbol


def _in_symbols(shape: Features, channels: Expr) -> SymbolicShape:
    """A shape with its channels as an expression."""
    sizes: list[Expr] = [*map(Literal, shape)]
    sizes[shape.axis] = channels
    return tuple(sizes)


def _has(call: Call, parameter: Parameter, cls: BlockClass) -> bool:
    """Whether the block that is called has an argument: of a chain, whether a step that is there uses it."""
    target = call.target
    return isinstance(target, Block) and parameter.argument in {**cls.made.get(target, {}), **target.args}


def _is_idle(present: list[Call]) -> bool:
    """Whether a call gives its input as it is, in every instance of the class."""
    target = present[0].target
    if not isinstance(target, Op) or not target.idle:
        return False
    return all(
        getattr(c.target, name) in (value, (value, value)) for c in present for name, value in target.idle.items()
    )

"""The statements of a forward pass: which values get a variable, which are written inside another's line."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword

from archspec.emission.containers import variable_of
from archspec.emission.dataflow import Flow, is_named, kind_of
from archspec.emission.dialect import Dialect
from archspec.emission.outline import Member
from archspec.emission.source import Choice, Expression, Infix, is_literal, lay_out, mapping
from archspec.ir import Block, tapped
from archspec.ir.graph import holds_place
from archspec.ops import Op

INDENT = 8

LEFT_OUT = "None"
"""What is given for a value that an operation may do without."""


@dataclass(slots=True)
class Forward:
    """Writes the body of a forward pass."""

    dialect: Dialect
    flow: Flow
    layer_of: Mapping[str, str]  # the attribute that each kept member is found under
    attribute: Callable[[Member, str], str]
    splits: Sequence[tuple[Member, ...]] = ()  # slices that are equal parts of a value
    conditions: Mapping[str, str] = field(default_factory=dict)  # of members that may be absent, as they are asked
    lines: list[str] = field(default_factory=list)
    text_of: dict[str, str] = field(default_factory=dict)
    running: str = "x"
    first_line: dict[str, int | None] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)  # the value that each variable of its own is of
    members: dict[int, list[Member]] = field(default_factory=dict)  # what each line applies

    @property
    def graph_like(self) -> bool:
        """Whether the class joins two inputs itself: then its named values keep their names."""
        return len(self.flow.inputs) > 1

    def write(self) -> list[str]:
        """The statements, the return included."""
        self.text_of.update(self.flow.inputs)
        self.first_line |= dict.fromkeys(self.flow.inputs.values())
        inside = {m.call.name for m in self.flow.members if self._goes_inside(m)}
        order = [m for m in self.flow.members if m.call.name not in inside]
        order.sort(key=lambda m: m.call.name in self.flow.training)  # what inference needs comes first
        for index, member in enumerate(order):
            if member.call.name in self.flow.training:
                self._end_of_inference()
            first, applied = len(self.lines), [member]
            for name in self.flow.sources[member.call.name]:
                if name in inside:
                    made = self.flow.producer(name)
                    assert made is not None
                    applied.append(made)
                    self.text_of[name] = str(self._expression(made))
            split = next((parts for parts in self.splits if member in parts), None)
            if holds_place(member.call) and not self.flow.uses[member.call.name]:
                continue
            if split is not None:
                if member.call.name not in self.text_of:
                    self._split(split)
            elif self._is_zero(member):
                self.text_of[member.call.name] = LEFT_OUT
            elif _is_tensor(member):
                self.text_of[member.call.name] = str(self._expression(member))
            else:
                self._statement(member, order[index + 1 :], inside)
            self.members.update(dict.fromkeys(range(first, len(self.lines)), applied))
        if self.flow.outputs:
            self._end_of_inference()
            self.lines.append(self._dictionary(INDENT, training=True))
        else:
            results = [self.text_of[value] for value in (self.flow.output, *self.flow.taps)]
            self.lines.append(f"return {', '.join(results)}")
        return self.lines

    def _end_of_inference(self) -> None:
        """Return what there is without training, where that is not all."""
        head = f"if {self.dialect.inference}:"
        if any(output.train_only for output in self.flow.outputs) and head not in self.lines:
            self.lines += [head, f"    {self._dictionary(INDENT + 4, training=False)}"]

    def _dictionary(self, indent: int, training: bool) -> str:
        """The statement that returns named outputs, in the order of the spec."""
        there = [o for o in self.flow.outputs if training or not o.train_only]
        return mapping([(o.name, self.text_of[o.value]) for o in there], indent, "return ")

    @property
    def alternative(self) -> str:
        """The variable that takes the place of `x` where the input is still needed."""
        return "features" if any(output.name == "out" for output in self.flow.outputs) else "out"

    def _zero(self, member: Member) -> tuple[str, float] | None:
        """The number with which a value is 0, so that those who use it may do without."""
        name, target = member.call.name, member.call.target
        if not isinstance(target, Op) or not target.zero:
            return None
        for use in self.flow.uses[name]:
            user = self.flow.producer(use)
            first = user.call.target.summands if user is not None and isinstance(user.call.target, Op) else None
            if first is None or name in self.flow.sources[use][:first]:
                return None
        return next(iter(target.zero.items())) if len(target.zero) == 1 else None

    def _is_zero(self, member: Member) -> bool:
        zero = self._zero(member)
        return zero is not None and is_literal(member.numbers[zero[0]], zero[1])

    def _split(self, parts: Sequence[Member]) -> None:
        """One statement for all parts of a value, each of which is a variable."""
        value = self.text_of[self.flow.sources[parts[0].call.name][0]]
        for place, part in enumerate(parts, 1):
            name = part.call.name
            self.text_of[name] = self._local(name if is_named(part) else f"x{place}", name)
        variables = ", ".join(self.text_of[part.call.name] for part in parts)
        self._line(f"{variables} = ", self.dialect.split(parts[0], value, len(parts)))

    def _goes_inside(self, member: Member) -> bool:
        """A layer applied to an input of the block, for the sake of one merge, is written inside the merge."""
        uses = self.flow.uses[member.call.name]
        sources = self.flow.sources[member.call.name]
        consumer = self.flow.sources.get(uses[0], ()) if len(uses) == 1 else ()
        return (
            len(consumer) > 1
            and not tapped(member.call)
            and self.flow.constants.isdisjoint(consumer)  # which ask for the size of a batch, a second use
            and member.call.name in self.layer_of
            and all(s in self.flow.inputs for s in sources)
            and consumer[0] != member.call.name
        )

    def _statement(self, member: Member, rest: list[Member], inside: set[str]) -> None:
        name = member.call.name
        sources = self.flow.sources[name]
        if tapped(member.call):
            self._unpacked(member, rest, inside)
            return
        remark = self.dialect.remark(member)
        if remark and f"# {remark}" not in self.lines:
            self.lines.append(f"# {remark}")
        expression = self._expression(member)
        variable = self._variable(member, rest, inside)
        first, untyped = (sources or (name,))[0], name in self.layer_of or self.dialect.is_untyped(member)
        operator = self.dialect.augmented.get(kind_of(member) or "")
        when = self.conditions.get(name)
        if (zero := self._zero(member)) is not None and not isinstance(member.numbers[zero[0]], tuple):
            asked = f"{self.attribute(member, zero[0])} > {zero[1]}"
            expression = Choice(expression, asked, LEFT_OUT)
        if when is not None and self.text_of[first] == variable:
            self.lines.append(f"if {when}:")
            self.lines.append(f"    {lay_out(f'{variable} = ', expression, INDENT + 4)}")
        elif when is not None:
            self._line(f"{variable} = ", Choice(expression, when, self.text_of[first]))
            self._annotate(variable, untyped)
        elif (
            operator is not None
            and self.text_of.get(first) == variable
            and self.flow.overwritable(first, self.dialect.overwritable)
        ):
            others = Infix(operator, tuple(self.text_of[s] for s in sources[1:]))
            self._line(f"{variable} {operator}= ", others)
        elif variable not in self.first_line and untyped:
            self._line(f"{variable}: {self.dialect.array} = ", expression)
            self.first_line[variable] = None
        elif str(expression) != variable:
            self._line(f"{variable} = ", expression)
            self._annotate(variable, untyped)
        self.text_of[name] = variable

    def _unpacked(self, member: Member, rest: list[Member], inside: set[str]) -> None:
        """The statement of a chain whose steps give values beside its own."""
        block, name = member.call.target, member.call.name
        assert isinstance(block, Block)
        steps = [call.name for call in block.calls if call.present]
        numbered = steps == [str(place) for place in range(len(steps))]
        if not block.definition.positional:
            self._named_results(member, block)
            return
        (value,) = self._values(member)
        inner = [tap.removeprefix(f"{name}.") for tap in tapped(member.call)]
        names = [
            self._output_local(tap) or self._local(own, tap)
            for tap, own in zip(tapped(member.call), inner, strict=True)
        ]
        for tap, local in zip(tapped(member.call), names, strict=True):
            self.text_of[tap] = local
        own = self._variable(member, rest, inside) if self.flow.uses[name] else "_"
        expression = self.dialect.tapped(f"self.{self.layer_of[name]}", value, list(block.taps), numbered)
        self._line(f"{', '.join([*names, own])} = ", expression)
        self.first_line |= dict.fromkeys([*names, own])
        self.text_of[name] = own

    def _named_results(self, member: Member, block: Block) -> None:
        """The statement of a block that gives several values, whose variables are called as they are there."""
        name = member.call.name
        expression = self._expression(member)
        variables = []
        for value, inner in zip((name, *tapped(member.call)), block.results, strict=True):
            used = bool(self.flow.uses[value])
            variables.append((self._output_local(value) or self._local(inner, value)) if used else "_")
            self.text_of[value] = variables[-1]
        self._line(f"{', '.join(variables)} = ", expression)
        self.first_line |= dict.fromkeys(variables)

    def _line(self, head: str, expression: Expression) -> None:
        self.lines.append(lay_out(head, expression, INDENT))

    def _annotate(self, variable: str, untyped: bool) -> None:
        """A variable that takes an untyped result has its type where it is first assigned."""
        first = self.first_line.setdefault(variable, len(self.lines) - 1)
        if untyped and first is not None:
            typed = f"{variable}: {self.dialect.array} ="
            self.lines[first] = self.lines[first].replace(f"{variable} =", typed, 1)
            self.first_line[variable] = None

    def _variable(self, member: Member, rest: list[Member], inside: set[str]) -> str:
        name = member.call.name
        uses = self.flow.uses[name]
        if (local := self._output_local(name)) is not None:
            return local
        following = rest[0].call.name if rest else "return"
        if uses != [following] or (self.graph_like and is_named(member)):
            # of what is looked up in a tensor, the tensor has the name
            looked_up = _holds_tensor(member) and bool(member.call.inputs)
            return self._local((kind_of(member) or name).rpartition("_")[2] if looked_up else name, name)
        later = {s for m in rest for s in self.flow.sources[m.call.name]}
        later |= {
            s for m in rest for i in self.flow.sources[m.call.name] if i in inside for s in self.flow.sources[i]
        }
        if self.running == "x" and ("input" in later or any(self.text_of.get(v) == "x" for v in later)):
            self.running = self.alternative
        return self.running

    def _local(self, name: str, value: str | None = None) -> str:
        """The variable of a value that is kept by its name; those that come and go have names of their own."""
        value = name if value is None else value
        local = variable_of(name) if not name.isdigit() else f"x{name}"
        local = local.replace("-", "_")
        local = local if iskeyword(local.lower()) else local.lower()
        taken = {"x", "self", "_", self.alternative, *self.flow.inputs.values(), *self.dialect.words}
        while (
            local in taken or (local != value and local in self.flow.uses) or self.locals.get(local, value) != value
        ):
            local += "_"
        self.locals[local] = value
        return local

    def _output_local(self, value: str) -> str | None:
        """The variable of a value that is an output of the net, which is called as that is."""
        name = next((o.name for o in self.flow.outputs if o.value == value), None)
        if name is None:
            return None
        reserved = iskeyword(name) or name in dir(builtins)
        return self._local(f"{name}_" if reserved else name, value)

    def _values(self, member: Member) -> list[str]:
        """The texts of what a member takes; what has no axis of the batch is given one where others are put beside it."""
        sources = self.flow.sources[member.call.name]
        values = [self.text_of[s] for s in sources]
        batched = [s for s in sources if s not in self.flow.constants]
        if not batched or not isinstance(target := member.call.target, Op) or not target.joins_axes:
            return values
        like = self.text_of[batched[0]]
        return [
            self._stretched(s, value, like, len(shape)) if s in self.flow.constants else value
            for s, value, shape in zip(sources, values, member.call.input_shapes, strict=True)
        ]

    def _stretched(self, source: str, value: str, like: str, rank: int) -> str:
        """The variable of a constant value that has been given an axis of the batch."""
        variable = self._local(source)
        self._line(f"{variable} = ", self.dialect.stretched(value, like, rank))
        return variable

    def _expression(self, member: Member) -> Expression:
        values = self._values(member)
        layer = self.layer_of.get(member.call.name)
        if layer is not None and _holds_tensor(member):
            values.append(f"self.{layer}")
        elif layer is not None:
            return self.dialect.called(member, f"self.{layer}", values)
        return self.dialect.applied(member, values, lambda name: self.attribute(member, name))


def _holds_tensor(member: Member) -> bool:
    return isinstance(member.call.target, Op) and member.call.target.holds_tensor


def _is_tensor(member: Member) -> bool:
    """Whether a value is a tensor of the module itself, which needs no variable."""
    return _holds_tensor(member) and not member.call.inputs

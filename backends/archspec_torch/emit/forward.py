"""The statements of a `forward`: which values get a variable, which are written inside another's line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from archspec.outline import BlockClass, Member
from archspec_torch.emit.modules import EXPRESSIONS, OVERWRITABLE, is_module


def is_named(member: Member) -> bool:
    """Whether the spec named a step itself: other names are made of the operation's."""
    kind = getattr(member.call.target, "kind", None)
    return kind is None or member.call.name.rstrip("0123456789") != kind


INPUTS = {"input": "x", "branch": "branch"}


@dataclass(slots=True)
class Flow:
    """Who uses which value of a class."""

    members: tuple[Member, ...]
    sources: Mapping[str, tuple[str, ...]]  # of each member, absent calls skipped
    uses: Mapping[str, list[str]]
    output: str

    def producer(self, value: str) -> Member | None:
        """The member that gives a value, None for an input."""
        return next((m for m in self.members if m.call.name == value), None)

    def overwritable(self, value: str) -> bool:
        """Whether a value may be overwritten by the one thing that uses it."""
        made = self.producer(value)
        kind = getattr(made.call.target, "kind", None) if made is not None and made.when is None else None
        return kind in OVERWRITABLE and len(self.uses[value]) == 1


def flow(cls: BlockClass) -> Flow:
    """Trace the values of a class."""
    here = {m.call.name for m in cls.members}
    alias: dict[str, str] = {}
    for call in cls.example.calls:
        if call.name not in here:
            alias[call.name] = alias.get(call.inputs[0], call.inputs[0])
    sources = {m.call.name: tuple(alias.get(i, i) for i in m.call.inputs) for m in cls.members}
    output = alias.get(cls.example.output, cls.example.output)
    uses: dict[str, list[str]] = {name: [] for name in [*dict(cls.example.inputs), *sources]}
    for name, inputs in sources.items():
        for value in inputs:
            uses[value].append(name)
    uses[output].append("return")
    return Flow(cls.members, sources, uses, output)


@dataclass(slots=True)
class Forward:
    """Writes the body of `forward`."""

    flow: Flow
    module_of: Mapping[str, str]  # the attribute that each member is kept under
    attribute: Callable[[Member, str], str]
    lines: list[str] = field(default_factory=list)
    text_of: dict[str, str] = field(default_factory=dict)
    running: str = "x"
    first_line: dict[str, int | None] = field(default_factory=lambda: {"x": None, "branch": None})

    @property
    def graph_like(self) -> bool:
        """Whether the class joins two inputs itself: then its named values keep their names."""
        return "branch" in self.flow.uses

    def write(self) -> list[str]:
        """The statements, the return included."""
        self.text_of.update(INPUTS)
        inside = {m.call.name for m in self.flow.members if self._goes_inside(m)}
        order = [m for m in self.flow.members if m.call.name not in inside]
        for index, member in enumerate(order):
            for name in self.flow.sources[member.call.name]:
                if name in inside:
                    made = self.flow.producer(name)
                    assert made is not None
                    self.text_of[name] = self._expression(made)
            self._statement(member, order[index + 1 :], inside)
        self.lines.append(f"return {self.text_of[self.flow.output]}")
        return self.lines

    def _goes_inside(self, member: Member) -> bool:
        """A module applied to an input of the block, for the sake of one merge, is written inside the merge."""
        uses = self.flow.uses[member.call.name]
        sources = self.flow.sources[member.call.name]
        consumer = self.flow.sources.get(uses[0], ()) if len(uses) == 1 else ()
        return (
            len(consumer) > 1
            and is_module(member)
            and all(s in INPUTS for s in sources)
            and consumer[0] != member.call.name
        )

    def _statement(self, member: Member, rest: list[Member], inside: set[str]) -> None:
        name = member.call.name
        sources = self.flow.sources[name]
        expression = self._expression(member)
        variable = self._variable(member, rest, inside)
        first = sources[0]
        kind = getattr(member.call.target, "kind", "")
        if kind == "add" and self.text_of[first] == variable and self.flow.overwritable(first):
            others = " + ".join(self.text_of[s] for s in sources[1:])
            self.lines.append(f"{variable} += {others}")
        elif variable not in self.first_line and is_module(member):
            self.lines.append(f"{variable}: Tensor = {expression}")
            self.first_line[variable] = None
        else:
            self.lines.append(f"{variable} = {expression}")
            self._annotate(variable, is_module(member))
        self.text_of[name] = variable

    def _annotate(self, variable: str, called: bool) -> None:
        """Calling a module gives Any, so a variable that takes such a result has its type where it is first assigned."""
        first = self.first_line.setdefault(variable, len(self.lines) - 1)
        if called and first is not None:
            self.lines[first] = self.lines[first].replace(f"{variable} =", f"{variable}: Tensor =", 1)
            self.first_line[variable] = None

    def _variable(self, member: Member, rest: list[Member], inside: set[str]) -> str:
        name = member.call.name
        uses = self.flow.uses[name]
        following = rest[0].call.name if rest else "return"
        if uses != [following] or (self.graph_like and is_named(member)):
            return name if not name.isdigit() else f"x{name}"
        later = {s for m in rest for s in self.flow.sources[m.call.name]}
        later |= {
            s for m in rest for i in self.flow.sources[m.call.name] if i in inside for s in self.flow.sources[i]
        }
        if self.running == "x" and ("input" in later or any(self.text_of.get(v) == "x" for v in later)):
            self.running = "out"
        return self.running

    def _expression(self, member: Member) -> str:
        values = [self.text_of[s] for s in self.flow.sources[member.call.name]]
        if is_module(member):
            return f"self.{self.module_of[member.call.name]}({', '.join(values)})"
        kind = member.call.target.kind  # type: ignore[union-attr]
        return EXPRESSIONS[kind](member, values, lambda name: self.attribute(member, name))

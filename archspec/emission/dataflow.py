"""Which values the calls of a class give, and who uses each."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from archspec.emission.outline import BlockClass, Member
from archspec.ir import Output, tapped
from archspec.ir.constants import gives_constant
from archspec.ir.liveness import training_only
from archspec.ops import Op
from archspec.syntax.identifiers import IMPORTED

INPUTS = {"input": "x", "branch": "branch"}
"""The variables that the inputs of a block come in which names none."""


def kind_of(member: Member) -> str | None:
    """The kind of a member that is an operation."""
    return member.call.target.kind if isinstance(member.call.target, Op) else None


def is_named(member: Member) -> bool:
    """Whether the spec named a step itself: other names are made of the operation's."""
    kind = kind_of(member)
    return member.call.named or kind is None or member.call.name.rstrip("0123456789") != kind


@dataclass(slots=True)
class Flow:
    """Who uses which value of a class."""

    members: tuple[Member, ...]
    sources: Mapping[str, tuple[str, ...]]  # of each member, absent calls skipped
    uses: Mapping[str, list[str]]
    output: str
    constants: frozenset[str] = frozenset()  # values that are the same for every sample
    outputs: tuple[Output, ...] = ()  # of a net that names them
    training: frozenset[str] = frozenset()  # members that are there for training alone
    inputs: Mapping[str, str] = field(default_factory=lambda: INPUTS)  # the variable of each input
    taps: tuple[str, ...] = ()  # values that are returned beside the output

    def producer(self, value: str) -> Member | None:
        """The member that gives a value, None for an input."""
        return next((m for m in self.members if m.call.name == value), None)

    def overwritable(self, value: str, kinds: Collection[str]) -> bool:
        """Whether a value may be overwritten by the one thing that uses it, as results of these kinds may."""
        made = self.producer(value)
        return made is not None and made.when is None and kind_of(made) in kinds and len(self.uses[value]) == 1


def flow(cls: BlockClass, words: Collection[str] = ()) -> Flow:
    """Trace the values of a class; `words` are those that no variable may be called by."""
    alias = cls.passed_on()
    sources = {m.call.name: tuple(alias.get(i, i) for i in m.call.inputs) for m in cls.members}
    output = alias.get(cls.example.output, cls.example.output)
    taps = [name for m in cls.members for name in tapped(m.call)]
    uses: dict[str, list[str]] = {name: [] for name in [*dict(cls.example.inputs), *sources, *taps]}
    for name, inputs in sources.items():
        for value in inputs:
            uses[value].append(name)
    outputs = tuple(replace(o, value=alias.get(o.value, o.value)) for o in cls.example.outputs)
    for value in [o.value for o in outputs] or [output, *cls.example.taps]:
        uses[value].append("return")
    constants = set[str]()
    for member in cls.members:
        if gives_constant(member.call.target, sources[member.call.name], constants):
            constants.add(member.call.name)
    taken = {"self", *IMPORTED, *words, *dir(builtins)}
    variables = {
        name: INPUTS.get(name) or (f"{name}_" if name in taken or name != name.lower() else name)
        for name, _ in cls.example.inputs
    }
    return Flow(
        cls.members,
        sources,
        uses,
        output,
        frozenset(constants),
        outputs,
        training_only(cls.example),
        variables,
        cls.example.taps,
    )

"""A step as it is written: what is applied to which values, under which name, how often and under which condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.diagnostics import Span
from archspec.syntax.expressions import Expr
from archspec.syntax.nodes import Node

MODIFIERS = ("from", "when", "repeat", "init")
CHAIN = "chain"
ROWS = "rows"
STEPS = "steps"
SHARE = "share"
MAX_REPEAT = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A row of a table: its cells by column, its place in the table and where it stands."""

    nodes: Mapping[str, Node]
    place: int
    span: Span
    known: bool = False  # whether the chain around has computed them, and where it stands
    idle: tuple[Node, ...] = ()  # columns that no expression reads, and that may be arguments
    applied: tuple[str, ...] = ()  # of the first row: what the rows apply


@dataclass(slots=True, eq=False)
class WrittenStart:
    """How a parameter starts, as a step says it: the number of a constant, or a distribution's standard deviation or gain."""

    kind: str
    value: Node | None
    key: Span


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What to apply, to which values, under which name and condition.

    A broken step has a mistake, which is recorded; what it gives is unknown. Its `callee` is what was probably meant, so
    that its value has the name by which later steps call it.
    """

    callee: str
    span: Span
    name: str | None = None
    name_span: Span | None = None
    args: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Span] = field(default_factory=dict)
    sources: tuple[str, ...] | None = None  # None: the value before
    source_spans: tuple[Span, ...] = ()
    when: Expr | None = None
    when_span: Span | None = None
    repeat: Expr | None = None
    repeat_span: Span | None = None
    share: str | None = None  # the step whose layers it applies again, in place of something that is applied
    init: Mapping[str, WrittenStart] = field(default_factory=dict)  # by the name of the parameter
    init_span: Span | None = None
    cells: Cells | None = None  # where it is a row of a table
    table: tuple[Step, ...] = ()  # all rows of it
    chain: tuple[Step, ...] | None = None  # steps that are numbered, in place of something that is applied
    inline: bool = False  # those steps stand in the list around, and no chain holds them
    branches: tuple[tuple[Step, ...], ...] = ()  # beside each other in the list around, merged by what is applied
    broken: bool = False
    guessed: bool = False  # the `callee` is not what is written, but what was surely meant

    @property
    def within(self) -> tuple[Step, ...]:
        """The steps that it holds: of a chain, of a list in its place, or of branches."""
        return (*(self.chain or ()), *(step for branch in self.branches for step in branch))

    @property
    def is_pattern(self) -> bool:
        """Whether the name has expressions in braces, so that each repetition has its own."""
        return self.name is not None and "{" in self.name

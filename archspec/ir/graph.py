"""The network as a typed, immutable, hierarchical graph.

A value's type says whether it is an image, tokens or a vector, and its sizes for one sample. A YAML block stays one `Block`;
equal consecutive blocks of a stage are one `Run`, so a net of a thousand layers is as small as its spec. Passes after this never
look at the spec again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from archspec.diagnostics import Source, Span
from archspec.ops import NOTHING, Features, Op
from archspec.ops.starts import Starts
from archspec.syntax.expressions import Expr, Symbol, Value

Role = Literal["body", "shortcut", "merge"]


NOWHERE = Span(Source("network", "", virtual=True))
"""The place of what no file says."""

STEPS = "Steps"
"""The class name of a chain that no block declares: source writes it where it stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """What a block is an instance of: its names and how the spec wrote its output channels."""

    name: str
    class_name: str
    doc: str
    arguments: tuple[str, ...]
    defaults: Mapping[str, Value]
    positional: bool  # steps are named 0, 1, ... as in a sequence
    out: Expr | None = None
    derived: Mapping[str, Expr] = field(default_factory=dict)  # defaults that follow from arguments before them
    origin: object = (
        None  # the step of the spec that a chain without a declaration is, however many of its steps are there
    )


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An operation, block or chain applied to named values; its result is a value of the call's name.

    An absent call, whose condition `when` was false, passes its first input on; it stays in the graph because other
    instances of the same block have it.
    """

    name: str
    target: Op | Block | Chain
    inputs: tuple[str, ...]
    input_shapes: tuple[Features, ...]
    shape: Features
    span: Span = NOWHERE
    symbols: Mapping[str, Symbol] = field(default_factory=dict)
    when: Expr | None = None
    present: bool = True
    role: Role = "body"
    named: bool = False  # whether the spec says the name; others are made of the operation's
    owner: str | None = None  # the call before it in the block whose layers it applies again, with their parameters
    starts: Starts = ()  # what parameters of an operation are initialized from, where the net does not say it


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """A named output of a net: the value that it gives, and what training makes of it."""

    name: str
    value: str
    shape: Features
    loss_weight: float = 1.0
    train_only: bool = False  # whether it is there only in training


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block with its arguments, as a graph of calls in order of execution.

    `output` is the value that it gives; of a net with named `outputs`, that of the first one in inference. `taps` are steps
    of a chain whose results the block around uses as well, in order: that of `conv` in `stem` is the value `stem.conv` there.
    """

    definition: Definition
    args: Mapping[str, Value]
    inputs: tuple[tuple[str, Features], ...]
    calls: tuple[Call, ...]
    output: str
    shape: Features
    branch: str | None = None  # the value that the shortcut is merged with
    variant: str = ""  # the shortcut that was chosen, as text
    taps: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()

    def call(self, name: str) -> Call | None:
        """The call that gives a value, None for an input."""
        return next((c for c in self.calls if c.name == name), None)

    @property
    def results(self) -> tuple[str, ...]:
        """The values that it gives: its output first, and those of its taps or of its named outputs."""
        return (self.output, *self.taps, *(output.value for output in self.outputs))


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """`count` equal blocks, one after the other."""

    block: Block
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The blocks of a stage, named 0, 1, ... in order."""

    runs: tuple[Run, ...]
    symbols: Mapping[str, Symbol] = field(default_factory=dict)  # of the blocks' arguments, in their `index`
    first: int = 0  # the index of the first block

    def __len__(self) -> int:
        return sum(run.count for run in self.runs)

    @property
    def shape(self) -> Features:
        """The shape that comes out of the last block."""
        return self.runs[-1].block.shape


def tapped(call: Call) -> tuple[str, ...]:
    """The values of steps inside of a call's chain that are used around it, by their names there."""
    taps = call.target.taps if isinstance(call.target, Block) else ()
    return tuple([f"{call.name}.{tap}" for tap in taps]) if taps else ()


def holds_place(call: Call) -> bool:
    """Whether a step stands for a place without a layer among numbered ones, as `convs.1: identity` does."""
    return isinstance(call.target, type(NOTHING)) and call.name.rpartition(".")[2].isdigit() and "." in call.name


def parts(block: Block) -> Iterator[Block]:
    """The blocks that a block calls; equal ones of a stage once."""
    for call in block.calls:
        if isinstance(call.target, Chain):
            yield from (run.block for run in call.target.runs)
        elif isinstance(call.target, Block):
            yield call.target

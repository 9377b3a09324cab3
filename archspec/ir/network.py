"""A network: its graph with how its parameters start. What is of a document is a `Program`, in `archspec.loading`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.ir.cost import Cost, block_cost, training_cost
from archspec.ir.fingerprint import fingerprint
from archspec.ir.graph import Block, Output
from archspec.ir.rows import Row, rows
from archspec.ir.views import VIEWS
from archspec.language.spec import Init
from archspec.ops import Features, Shape
from archspec.ops.base import tensor_name

USUAL = Init()
"""How parameters start where nothing else is said."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Network:
    """A net down to every operation; `root` is its graph, and all that it needs.

    `archspec.load` makes one of a spec; a graph that was built in Python (`GraphBuilder`) or read as text (`parse_text`) is as
    good.
    """

    root: Block
    classes: int | None = None  # how many classes it tells apart, where that is known
    init: Init = USUAL

    def __repr__(self) -> str:
        """The counts that tell nets apart."""
        return f"<Network {self.name}: {self.cost.params:,} parameters, {self.cost.macs:,} multiply-adds>"

    def draw(self, format: str = "svg", *, depth: int | None = None) -> str | bytes:
        """A picture of it: svg, mermaid or tikz as text, png or pdf as bytes (the extra `draw`); blocks opened `depth` levels
        deep, or as far as a page holds.
        """
        picture: str | bytes = VIEWS["draw"](self, format, depth)
        return picture

    def summary(self, depth: int = 3) -> str:
        """The table of modules with shapes, parameters and multiply-adds; blocks opened `depth` levels deep."""
        text: str = VIEWS["summary"](self, depth)
        return text

    def _repr_html_(self) -> str:
        """The picture and the table, which notebooks show."""
        shown: str = VIEWS["html"](self)
        return shown

    @property
    def name(self) -> str:
        """Its name, such as `resnet50`."""
        return self.root.definition.name

    @property
    def doc(self) -> str:
        """What it says of itself; empty where that is nothing."""
        return self.root.definition.doc

    @property
    def class_name(self) -> str:
        """The name of the emitted class."""
        return self.root.definition.class_name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one input."""
        channels, height, width = self.root.inputs[0][1]
        return channels, height, width

    @property
    def output_shape(self) -> Features:
        """The shape for one input: (classes,); of named outputs that of the first in inference."""
        return self.root.shape

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The named outputs in the order of the spec; none where the net gives its last value."""
        return self.root.outputs

    @property
    def cost(self) -> Cost:
        """Exact counts for one input: what the model holds, and what inference computes."""
        return block_cost(self.root)

    @property
    def training_cost(self) -> Cost:
        """Exact counts of the heads that are there only in training: their parameters are in `cost` too."""
        return training_cost(self.root)

    @property
    def fingerprint(self) -> str:
        """A hash of the wired graph, which decides the parameters and the function: what a checkpoint must fit."""
        return fingerprint(self.root)

    def modules(self) -> Iterator[Row]:
        """Every operation in order of execution."""
        return rows(self.root)

    def parameter_shapes(self) -> dict[str, Shape]:
        """The shape of every learned tensor by its dotted name."""
        return {tensor_name(r.name, k): s for r in self.modules() for k, s in r.parameters.items()}

    def tensor_shapes(self) -> dict[str, Shape]:
        """The shape of every tensor by its dotted name, learned or kept: what a checkpoint holds."""
        shapes: dict[str, Shape] = {}
        for row in self.modules():
            if row.shared:
                continue
            tensors = {**row.parameters, **row.target.buffers(*row.input_shapes)}
            shapes |= {tensor_name(row.name, name): shape for name, shape in tensors.items()}
        return shapes

    def whole_numbers(self) -> frozenset[str]:
        """The dotted names of tensors that hold whole numbers."""
        rows = [row for row in self.modules() if not row.shared]
        return frozenset(tensor_name(r.name, name) for r in rows for name in r.target.whole_numbers())

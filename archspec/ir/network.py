"""The result of compiling a spec: a checked, shaped, costed and named network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import Diagnostic
from archspec.ir.cost import Cost, block_cost, training_cost
from archspec.ir.fingerprint import fingerprint
from archspec.ir.graph import Block, Output
from archspec.ir.rows import Row, rows
from archspec.language import Spec
from archspec.loading.resolve import Resolved
from archspec.ops import Features, Shape
from archspec.ops.base import tensor_name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Network:
    """A net as its spec says, down to every operation; `root` is its graph.

    `warnings` says what in the spec is valid and probably not meant so.
    """

    resolved: Resolved
    root: Block
    warnings: tuple[Diagnostic, ...] = ()

    def __repr__(self) -> str:
        """The counts that tell nets apart."""
        return f"<Network {self.name}: {self.cost.params:,} parameters, {self.cost.macs:,} multiply-adds>"

    @property
    def spec(self) -> Spec:
        """The validated spec."""
        return self.resolved.spec

    @property
    def name(self) -> str:
        """The name that the spec gives, interpolated."""
        return self.spec.name

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
    def classes(self) -> int | None:
        """How many classes the net tells apart; None where the spec does not say."""
        classes: int | None = self.spec.classes
        return classes

    @property
    def cost(self) -> Cost:
        """Exact counts for one input: what the model holds, and what inference computes."""
        return block_cost(self.root)

    @property
    def training_cost(self) -> Cost:
        """Exact counts of the heads that are there only in training: their parameters are in `cost` too."""
        return training_cost(self.root)

    @property
    def recipe(self) -> dict[str, Any] | None:
        """The training recipe as plain JSON values, None where the spec has no `train`."""
        return self.spec.train.recipe() if self.spec.train else None

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
            tensors = {**row.parameters, **row.target.buffers(*row.input_shapes)}
            shapes |= {tensor_name(row.name, name): shape for name, shape in tensors.items()}
        return shapes

    def whole_numbers(self) -> frozenset[str]:
        """The dotted names of tensors that hold whole numbers."""
        return frozenset(tensor_name(r.name, name) for r in self.modules() for name in r.target.whole_numbers())

"""An ONNX graph under construction: its nodes, its constants and the shapes of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from archspec.ops import Features, Shape
from archspec.ops.base import tensor_name

INPUT, OUTPUT = "images", "logits"
BATCH = "N"
TENSOR = "/tensor"
"""What the name of an initializer ends with that would be that of an input or output."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands: its dotted name, its inputs, their shapes and that of its result, for one image."""

    name: str
    inputs: tuple[str, ...]
    shapes: tuple[Features, ...]
    shape: Features
    owner: str = ""  # the operation whose weights it has, where they are another's
    ends: frozenset[str] = frozenset()  # what the inputs and outputs of the net are called

    def weight(self, name: str) -> str:
        """The initializer of one of its tensors: called as the spec calls it, unless an input or output is called so."""
        tensor = tensor_name(self.owner or self.name, name)
        return f"{tensor}{TENSOR}" if tensor in self.ends else tensor


@dataclass(slots=True)
class Graph:
    """Nodes are named by the spec, and what takes several of them `name/part`: no name of a spec has a slash."""

    ends: frozenset[str] = frozenset({INPUT, OUTPUT})
    """What the inputs and outputs of the net are called, which nothing else may be."""
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    values: list[ValueInfoProto] = field(default_factory=list)
    alike: dict[str, int] = field(default_factory=dict)
    """Values that are the same for every sample, and how many axes each has."""

    def node(
        self, at: Place, kind: str, inputs: Sequence[str], *, part: str | None = None, **attributes: Any
    ) -> str:
        """Add a node, the operation's last one unless it is a `part`; gives the name of its result."""
        name = f"{at.name}/{part}" if part else at.name
        result = f"{name}/result" if name in self.ends else name
        self.nodes.append(helper.make_node(kind, inputs, [result], name=name, **attributes))
        if part is None and at.inputs and all(name in self.alike for name in at.inputs):
            self.alike[result] = self.alike[at.inputs[0]]
        elif part is None:  # so that the checker compares what ONNX infers with what the spec says
            self.values.append(value(result, at.shape))
        return result

    def constant(self, at: Place, name: str, array: np.ndarray[Any, Any] | np.generic) -> str:
        """Add a constant of an operation; gives its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(array), f"{at.name}/{name}"))
        return f"{at.name}/{name}"


def value(name: str, shape: Shape) -> ValueInfoProto:
    """A value of so many images or vectors."""
    made: ValueInfoProto = helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape])
    return made

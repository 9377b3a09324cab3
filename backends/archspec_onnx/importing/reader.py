"""A model of ONNX as a traced model: its operations, the modules that their paths tell, and its weights by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from archspec.errors import ModelError
from archspec.importing import Operation, Scope, Traced
from archspec.importing.traced import INPUT
from archspec.ops import OPS, ArgumentError, Features, Image, ShapeError, typed
from archspec.syntax.identifiers import class_name
from archspec_onnx.importing.flat import Flat, attributes, flat
from archspec_onnx.importing.operations import OPERATIONS, SAME, Made, Node, RefusedError

UNREAD = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What reading raises of a file that has something else than it says."""

MOST_ROWS = 20
"""Refusals that a message lists."""


@dataclass
class Reader:
    """The reading of a file: what each value is, and what was refused."""

    model: ModelProto
    constants: dict[str, Any] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Features] = field(default_factory=dict)
    operations: list[tuple[Operation, str]] = field(default_factory=list)  # each with its path
    weights: dict[str, Any] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    counted: bool = False  # whether a layer has no name but one that counts

    def traced(self, name: str, source: str) -> Traced:
        """The file as a traced model. Raises ModelError with all that a spec cannot say."""
        nodes, classes = flat(self.model)
        graph = self.model.graph
        self.constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        size = self._input()
        for node in nodes:
            self._read(node)
        outputs = (
            {} if len(graph.output) == 1 else {one.name: self.values.get(one.name, "") for one in graph.output}
        )
        if not outputs:
            outputs = {"": self.values.get(graph.output[0].name, "")}
        if self.refused or "" in outputs.values():
            rows = list(dict.fromkeys(self.refused)) or ["an output that is no value of a step"]
            more = [f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else []
            raise ModelError(
                f"{name} has {len(rows)} operation{'s' * (len(rows) > 1)} that a spec cannot say",
                "write these parts with the operations that docs/language.md lists",
                rows=rows[:MOST_ROWS] + more,
            )
        children = _children([path for _, path in self.operations if path])
        placed = tuple(_placed(self.operations, children, classes))
        return Traced(name, class_name(name), size, placed, outputs, children=children, source=source)

    @property
    def named(self) -> bool:
        """Whether the file tells the modules of all layers."""
        return not self.counted and any("." in path for _, path in self.operations)

    def _input(self) -> tuple[int, int, int]:
        inputs = [one for one in self.model.graph.input if one.name not in self.constants]
        if len(inputs) != 1:
            raise ModelError(
                f"the file has {len(inputs)} inputs", "only models of one batch of images are imported"
            )
        kind, dims = inputs[0].type.tensor_type.elem_type, inputs[0].type.tensor_type.shape.dim
        sizes = [one.dim_value for one in dims]
        if len(sizes) != 4 or min(sizes[1:]) < 1:
            told = ", ".join(one.dim_param or str(one.dim_value) for one in dims)
            raise ModelError(f"the input `{inputs[0].name}` has the sizes ({told}), where (N, C, H, W) of images are expected",
                             "export it for images of one size; the batch may be of any")  # fmt: skip
        if kind != TensorProto.FLOAT:
            given = TensorProto.DataType.Name(kind).lower()
            raise ModelError(f"the input `{inputs[0].name}` has numbers of {given}, and images have float32",
                             "export the model in single precision, as after model.float()")  # fmt: skip
        self.values[inputs[0].name] = INPUT
        self.shapes[INPUT] = Image(sizes[1:])
        return sizes[1], sizes[2], sizes[3]

    def _read(self, flat: Flat) -> None:
        if flat.kind == "Constant":
            self.constants[flat.outputs[0]] = numpy_helper.to_array(attributes(flat.node)["value"])
            return
        if flat.kind in SAME or (flat.kind in ("Concat", "Sum") and len(flat.inputs) == 1):
            source = flat.inputs[0]
            if source in self.constants:
                self.constants[flat.outputs[0]] = self.constants[source]
            elif source in self.values:
                self.values[flat.outputs[0]] = self.values[source]
            return
        if any(name and name not in self.values and name not in self.constants for name in flat.inputs):
            return  # it depends on something that was refused
        try:
            self._add(flat)
        except (RefusedError, ShapeError, ArgumentError) as why:
            self._refuse(flat, str(why))
        except UNREAD as error:
            self._refuse(
                flat, f"attributes or values that archspec does not read ({type(error).__name__}: {error})"
            )

    def _refuse(self, flat: Flat, why: str) -> None:
        at = flat.node.name or next(iter(flat.outputs), "its end")
        self.refused.append(f"{flat.kind}: {why[:400]} (at `{at}`)")

    def _add(self, flat: Flat) -> None:
        if flat.node.domain not in ("", "ai.onnx") or flat.kind not in OPERATIONS:
            raise RefusedError("archspec has no such operation")
        inputs = [self.values[name] for name in flat.inputs if name in self.values]
        constants = {i: self.constants[name] for i, name in enumerate(flat.inputs) if name in self.constants}
        if not inputs:
            raise RefusedError("applied to values that no step of a spec gives")
        node = Node(attributes(flat.node), inputs, [self.shapes[one] for one in inputs], constants)
        if self._is_bias(flat, inputs, constants):
            return
        made = OPERATIONS[flat.kind](node)
        if made.kind == "flatten" and self._of_pool(flat, inputs[0]):
            return
        self._append(flat, made, inputs)

    def _append(self, flat: Flat, made: Made, inputs: list[str]) -> None:
        kinds = OPS[made.kind].arguments()
        op = OPS[made.kind].of({name: kinds[name].parse(value) for name, value in made.args.items()})
        shapes = tuple(self.shapes[one] for one in inputs)
        shape = typed(op.output_shape(*shapes))
        result, path = flat.outputs[0], self._path(flat, made)
        for name, tensor in made.tensors.items():
            if self.weights.setdefault(f"{path}.{name}", tensor) is not tensor:
                raise RefusedError(f"the weights `{path}.{name}` are used twice")
        done = Operation(
            result, made.kind, dict(made.args), tuple(inputs), (), path or None, shape, bool(made.tensors)
        )
        self.operations.append((done, path))
        self.values[result], self.shapes[result] = result, shape

    def _path(self, flat: Flat, made: Made) -> str:
        """The path of the module: what its tensors are called by, or its node, or a name that counts."""
        for place, name in enumerate(flat.inputs):
            owner, dot, _ = name.rpartition(".")
            if (
                made.tensors
                and dot
                and place
                and name in self.constants
                and re.fullmatch(r"[A-Za-z][\w.-]*", owner, re.ASCII)
            ):
                return owner
        if not made.tensors or flat.path:
            return flat.path or ""
        self.counted = True
        taken = {path for _, path in self.operations}
        return next(one for one in chain([made.kind], (f"{made.kind}{i}" for i in count(2))) if one not in taken)

    def _is_bias(self, flat: Flat, inputs: list[str], constants: dict[int, Any]) -> bool:
        """Whether a sum is that of a linear layer and its bias, which it then has."""
        if flat.kind != "Add" or len(inputs) != 1 or not self.operations:
            return False
        (op, path), bias = self.operations[-1], next(iter(constants.values()))
        if (
            op.kind != "linear"
            or op.result != inputs[0]
            or op.args.get("bias", True)
            or bias.size != op.args["out"]
        ):
            return False
        del op.args["bias"]
        self.weights[f"{path}.bias"] = np.ascontiguousarray(bias.reshape(-1))
        self.values[flat.outputs[0]] = op.result
        return True

    def _of_pool(self, flat: Flat, value: str) -> bool:
        """Whether a mean over all pixels becomes a vector, which it is without `keep`."""
        op, _ = self.operations[-1] if self.operations else (None, "")
        if op is None or op.result != value or op.kind != "global_avg_pool" or not op.args.pop("keep", False):
            return False
        op.shape = self.shapes[value] = typed((op.shape.channels,))
        self.values[flat.outputs[0]] = value
        return True


def _children(paths: list[str]) -> dict[str, tuple[str, ...]]:
    """The names in each module; where they are numbers, all up to the last, for some did nothing."""
    found: dict[str, dict[str, None]] = {}
    for path in paths:
        parts = path.split(".")
        for depth, part in enumerate(parts):
            found.setdefault(".".join(parts[:depth]), {}).setdefault(part)
    return {
        path: tuple(map(str, range(max(map(int, names)) + 1))) if all(map(str.isdecimal, names)) else tuple(names)
        for path, names in found.items()
    }


def _placed(
    operations: list[tuple[Operation, str]], children: dict[str, tuple[str, ...]], classes: dict[str, str]
) -> Iterator[Operation]:
    """The operations in the calls that their paths tell; those of a module itself, or met again, have no name of their own."""
    met: set[str] = set()
    inner = [path if path in children else path.rpartition(".")[0] for _, path in operations]
    for place, (op, path) in enumerate(operations):
        if path in children or path in met or not path:
            op.path = None
        met.add(path)
        around = inner[place] if path else _between(operations, inner, place)
        op.scopes = tuple(_scope(one, children, classes) for one in _prefixes(around))
        yield op


def _between(operations: list[tuple[Operation, str]], inner: list[str], place: int) -> str:
    """The module of an operation without a path: that in which what comes before and what comes after both are."""
    before = next((inner[i] for i in range(place - 1, -1, -1) if operations[i][1]), "")
    after = next((inner[i] for i in range(place + 1, len(operations)) if operations[i][1]), "")
    common = [one for one, other in zip(_prefixes(before), _prefixes(after), strict=False) if one == other]
    return common[-1] if common else ""


def _prefixes(path: str) -> list[str]:
    """A path of modules, each with those around it, the outermost first."""
    parts = path.split(".") if path else []
    return [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _scope(path: str, children: dict[str, tuple[str, ...]], classes: dict[str, str]) -> Scope:
    numbered = all(name.isdecimal() for name in children[path])
    words = re.sub(r"\d+$", "", next(part for part in reversed(path.split(".")) if not part.isdecimal()))
    name = classes.get(path) or class_name(words.replace("_", "-")) or "Part"
    return Scope(path, path, name, numbered and path not in classes)

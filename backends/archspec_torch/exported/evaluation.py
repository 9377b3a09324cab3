"""A program of a file as a module: its tensors under their names, and its graph computed operation by operation."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archspec.backends.stored import Array, Stored
from archspec.errors import ModelError
from archspec_torch.exported.operators import operator, packet
from archspec_torch.exported.program import Node, Option, Program
from archspec_torch.importing.checks import check_names
from archspec_torch.unpickling import DamagedError
from archspec_torch.weights import to_torch

SEQUENCE = "torch.nn.modules.container.Sequential"

LARGEST = 1 << 28
"""Elements of a tensor that the graph makes of nothing."""

TYPES = {2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 12: torch.bool}
"""Types of whole numbers; all others are that of the images."""

UNSEEN = frozenset({"memory_format", "device", "layout", "pin_memory", "dtype"})
"""Arguments that change no number."""


def module_of(
    program: Program, weights: Mapping[str, Array | Stored], dropping: Collection[Node] = ()
) -> nn.Module:
    """The modules of a program with its tensors; what it computes, its graph says, in which nothing is dropped at random."""
    classes = {place: program.classes.get(place, "") for place in program.paths}
    root = _module(program.classes.get("", "Net"), lambda self, images: _batches(program, self, images, dropping))
    for path in sorted(filter(None, classes), key=lambda path: path.count(".")):
        _around(root, path).add_module(path.rpartition(".")[2], _module(classes[path]))
    trained, kept = program.graph_signature.inputs_to_parameters, program.graph_signature.inputs_to_buffers
    for path in [*trained.values(), *kept.values()]:
        if path not in weights:
            raise DamagedError(f"it has no numbers of `{path[:120]}`")
    for path, array in weights.items():
        tensor, around, name = (
            to_torch(array.load() if isinstance(array, Stored) else array),
            _around(root, path),
            path.rpartition(".")[2],
        )
        if path in trained.values() and tensor.is_floating_point():
            around.register_parameter(name, nn.Parameter(tensor))
        else:
            around.register_buffer(name, tensor)
    check_names(root)
    return root


def _module(kind: str, forward: Any = None) -> nn.Module:
    """A module of a class that has the name of the one in the file, and nothing else of it."""
    name = kind.rpartition(".")[2]
    if kind == SEQUENCE and forward is None:
        return nn.Sequential()
    made: nn.Module = type(
        name if name.isidentifier() else "Part", (nn.Module,), {"forward": forward} if forward else {}
    )()
    return made


def _around(root: nn.Module, path: str) -> nn.Module:
    """The module that a module or a tensor is in."""
    around = path.rpartition(".")[0]
    try:
        return root.get_submodule(around)
    except AttributeError:
        raise DamagedError(f"it has no module {around[:80]!r}, and something in it") from None


def _batches(program: Program, module: nn.Module, images: Tensor, dropping: Collection[Node]) -> Any:
    """The results of a program for batches of the size that it was exported with."""
    size = program.sizes[0]
    if len(images) == size:
        return _evaluated(program, module, images, dropping)
    parts = [_evaluated(program, module, part, dropping) for part in torch.split(images, size)]
    if isinstance(parts[0], dict):
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return torch.cat(parts)


def _evaluated(program: Program, module: nn.Module, images: Tensor, dropping: Collection[Node]) -> Any:
    signature, tensors = program.graph_signature, dict(module.named_parameters()) | dict(module.named_buffers())
    owned = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    values: dict[Node, Any] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            values[node] = tensors[owned[node.name]] if node.name in owned else images
        elif node.op == "output":
            given = {one.name: values[one] for one in node.args[0] if one is not None}
            with torch.no_grad():
                for name, path in signature.changed.items():
                    tensors[path].copy_(given[name])
            results = [given[name] for name in signature.user_outputs]
            return results[0] if program.names == [""] else dict(zip(program.names, results, strict=True))
        elif node in dropping:
            values[node] = next(
                (values[one] for one in node.all_input_nodes if _is_value(values.get(one), node)), None
            )
        elif node.target == "_operator.getitem":
            values[node] = values[node.args[0]][node.args[1]]
        else:
            values[node] = _computed(node, values, images.dtype)
    raise DamagedError("its graph has no end")


def _is_value(value: Any, node: Node) -> bool:
    """Whether a value is what stochastic depth takes, and gives where nothing is dropped."""
    sizes = node.meta["val"].shape if hasattr(node.meta["val"], "shape") else ()
    return isinstance(value, Tensor) and tuple(value.shape) == tuple(sizes)


def _computed(node: Node, values: Mapping[Node, Any], dtype: torch.dtype) -> Any:
    def plain(one: Any) -> Any:
        if isinstance(one, Node):
            return values[one]
        if isinstance(one, (list, tuple)):
            return [plain(each) for each in one]
        if isinstance(one, Option):
            return TYPES.get(one.number, dtype) if one.kind == "as_scalar_type" else None
        return one

    function, name = operator(node.target), packet(node.target)
    if function is None:
        raise ModelError(
            f"the program has the operation {node.target}, which is not run", "export the model itself"
        )
    args = [plain(one) for one in node.args]
    kwargs = {key: plain(one) for key, one in node.kwargs.items() if key not in UNSEEN}
    if name == "dropout":
        return args[0]
    if any(isinstance(one, list) and all(isinstance(n, int) for n in one) and math.prod(map(abs, one)) > LARGEST
           for one in [*args, *kwargs.values()]):  # fmt: skip
        raise DamagedError(f"its operation {node.target} has sizes of more than {LARGEST:,} elements")
    option = node.kwargs.get("dtype")
    if isinstance(option, Option) and option.kind == "as_scalar_type":
        kwargs["dtype"] = TYPES.get(option.number, dtype)
    elif any(one.name == "dtype" for one in function._schema.arguments) and name in (
        "empty",
        "zeros",
        "ones",
        "rand",
    ):
        kwargs["dtype"] = dtype
    return function(*args, **kwargs)

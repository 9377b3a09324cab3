"""Names of another framework's tree with those of a spec: found by the shapes and the order of the layers, or asked for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from archspec.backends.stored import Array, Stored, Tensors
from archspec.errors import WeightsError
from archspec.ops import Shape
from archspec.weights.advice import COUNTER
from archspec.weights.pairing import SYNONYMS, paired
from archspec.weights.renaming import rename

Shapes = Mapping[str, Shape]

COLLECTIONS = ("params", "batch_stats")
"""What Linen keeps layers under."""
TURNED = {4: (3, 2, 0, 1), 2: (1, 0)}
"""The axes of a kernel of Flax, as a spec has them, by their number."""
SHOWN = 12
"""Layers whose candidates a message lists."""


def from_tree(tensors: Tensors) -> dict[str, Array | Stored]:
    """Tensors as a spec names and lays them, where a file has them as a tree of Flax: without collections, kernels turned."""
    found: dict[str, Array | Stored] = {}
    for name, tensor in tensors.items():
        words = [word for word in name.replace("/", ".").split(".") if word != "value"]
        words = words[1:] if words[0] in COLLECTIONS and len(words) > 2 else words
        if words[-1] == "kernel" and len(tensor.shape) in TURNED:
            tensor = _turned(tensor)
        words[-1] = SYNONYMS.get(words[-1], words[-1])
        if ".".join(words) in found:
            return dict(tensors)
        found[".".join(words)] = tensor
    return found


def is_tree(names: Sequence[str]) -> bool:
    """Whether names are those of a tree of Flax: with kernels, or below the collections of Linen."""
    words = [name.replace("/", ".").split(".") for name in names]
    return any(one[-1] == "kernel" for one in words) or (
        bool(words) and all(one[0] in COLLECTIONS and len(one) > 1 for one in words)
    )


def matched(given: Shapes, expected: Shapes) -> dict[str, str]:
    """The net's name for each tensor that has another: by the shapes of its layer, and among equal layers by their order.

    Nothing where they fit, or fit in no way. Raises WeightsError with the candidates where more than one pairing is possible.
    """
    theirs = {n: s for n, s in given.items() if not n.endswith(COUNTER)}
    ours = {n: s for n, s in expected.items() if not n.endswith(COUNTER)}
    if theirs == ours:
        return {}
    fixed = {_layer(name) for name, shape in theirs.items() if ours.get(name) == shape}
    fixed -= {
        _layer(n) for each, other in ((theirs, ours), (ours, theirs)) for n, s in each.items() if other.get(n) != s
    }
    theirs = {n: s for n, s in theirs.items() if _layer(n) not in fixed}
    ours = {n: s for n, s in ours.items() if _layer(n) not in fixed}
    for renamings in paired(theirs, ours):
        try:
            names = rename(theirs, renamings)
        except WeightsError:
            continue
        if {names[name]: shape for name, shape in theirs.items()} == ours:
            _check(names, theirs, ours)
            return {old: new for old, new in names.items() if old != new}
    return {}


def _check(names: Mapping[str, str], theirs: Shapes, ours: Shapes) -> None:
    """Raise WeightsError for layers that have the same shapes as others, and whose names do not tell which is which."""
    layers = {_layer(old): _layer(new) for old, new in names.items()}
    alike, known = _alike(theirs), _known(layers, theirs)
    unsure = [
        group for group in alike if len(group) > 1 and not _ordered(group) and not _told(group, layers, known)
    ]
    if not unsure:
        return
    rows = []
    for group in unsure:
        candidates = ", ".join(f"`{layers[old]}`" for old in group)
        rows += [f"`{old}` is one of {candidates}" for old in group]
    more = [f"and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    old = unsure[0][0]
    raise WeightsError(
        "layers of the same shapes have names that do not tell which is which:",
        f"say it, such as --map {old}.={layers[old]}.",
        rows=[*rows[:SHOWN], *more],
    )


def _alike(shapes: Shapes) -> list[list[str]]:
    """The layers whose parameters have the same names and shapes."""
    parts: dict[str, dict[str, Shape]] = defaultdict(dict)
    for name, shape in shapes.items():
        parts[_layer(name)][name.rpartition(".")[2]] = shape
    found: dict[object, list[str]] = defaultdict(list)
    for layer, leaves in parts.items():
        found[tuple(sorted(leaves.items()))].append(layer)
    return list(found.values())


def _known(layers: Mapping[str, str], shapes: Shapes) -> dict[str, set[str]]:
    """For the last word of a layer's name, what it is in the net wherever its shapes alone tell that within its block."""
    found: dict[str, set[str]] = defaultdict(set)
    for group in _alike(shapes):
        for layer in group:
            block, _, word = layer.rpartition(".")
            if sum(_layer(other) == block for other in group) == 1:
                found[word].add(layers[layer])
    return found


def _ordered(group: Sequence[str]) -> bool:
    """Whether names differ in their numbers alone: Flax counts the layers of a kind as they are called."""
    return len({re.sub(r"\d+", "#", name) for name in group}) == 1


def _told(group: Sequence[str], layers: Mapping[str, str], known: Mapping[str, set[str]]) -> bool:
    """Whether each layer of a group, which stand in blocks, is what its namesakes in other blocks are by their shapes alone."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for layer in group:
        blocks[_layer(layer)].append(layer)
    if "" in blocks or not _ordered(list(blocks)):
        return False
    unclear = [layer for inside in blocks.values() if len(inside) > 1 and not _ordered(inside) for layer in inside]
    return all(
        any(_ordered([layers[layer], other]) for other in known.get(layer.rpartition(".")[2], ()))
        for layer in unclear
    )


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _turned(tensor: Array | Stored) -> Stored:
    axes = TURNED[len(tensor.shape)]
    shape = tuple(tensor.shape[axis] for axis in axes)
    return Stored(shape, tensor.dtype, partial(_load, tensor, axes))


def _load(tensor: Array | Stored, axes: tuple[int, ...]) -> Array:
    whole: Array = np.ascontiguousarray(np.asarray(tensor).transpose(axes))
    return whole

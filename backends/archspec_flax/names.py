"""The spec's names and layouts for what a Flax model holds, which checkpoints of every backend share.

The path of a variable in an emitted model is the spec's dotted name of its layer, so only the last word is translated:

    Flax                                the spec, and PyTorch
    layer1.0.conv1.kernel (H, W, I, O)  layer1.0.conv1.weight (O, I, H, W)
    fc.kernel (I, O)                    fc.weight (O, I)
    bn1.scale, bn1.bias                 bn1.weight, bn1.bias
    bn1.mean, bn1.var                   bn1.running_mean, bn1.running_var
    bn1.num_batches_tracked, int32      bn1.num_batches_tracked, int64

A layer of equal blocks keeps the parameters of all of them as one, along a leading axis; each has its own name in the spec:

    layer1.blocks.bn1.scale (18, C)     layer1.0.bn1.weight, ..., layer1.17.bn1.weight
    layer2.1.blocks.bn1.scale (17, C)   layer2.1.bn1.weight, ..., layer2.17.bn1.weight

Nothing here imports archspec.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from archspec_flax.tensor_words import word_of_spec

TO_SPEC = {4: (3, 2, 0, 1), 2: (1, 0)}
FROM_SPEC = {4: (2, 3, 1, 0), 2: (1, 0)}
"""How the axes of a kernel are turned, by their number."""


Path = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a model keeps a tensor: a variable, or one of the blocks that it is stacked for."""

    variable: nnx.Variable[Any]
    block: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """In Flax's layout."""
        return tuple(self.variable.shape[0 if self.block is None else 1 :])


def spec_names(path: Path, repeats: Mapping[Path, int]) -> list[str]:
    """The spec's names of the variable at a path: one, or one for each of the blocks that it is stacked for.

    `repeats` has the number of blocks for the path of each layer of equal ones.
    """
    *layers, last = path
    words: list[str] = []
    block, count = None, 1
    for depth, key in enumerate(layers):
        here = path[:depth]
        if here in repeats:  # the key is `blocks`, and the number of a block comes in its place
            first = int(words.pop()) if isinstance(path[depth - 1], int) else 0
            block, count = (len(words), first), repeats[here]
            words.append("")
        elif isinstance(key, int):  # behind equal blocks, positions are further on
            words.append(str(key + sum(repeats.get((*here, before), 1) - 1 for before in range(key))))
        else:
            words.append(key)
    words.append(word_of_spec(str(last)))
    if block is None:
        return [".".join(words)]
    position, first = block
    return [".".join([*words[:position], str(first + i), *words[position + 1 :]]) for i in range(count)]


def places(model: nnx.Module) -> dict[str, Place]:
    """Where a model keeps its parameters and statistics, by the spec's names."""
    nodes: list[tuple[Any, Any]] = list(nnx.iter_graph(model))
    repeats = {path: node.repeats for path, node in nodes if is_repeated(node)}
    found: dict[str, Place] = {}
    for path, node in nodes:
        if isinstance(node, (nnx.Param, nnx.BatchStat)):
            names = spec_names(path, repeats)
            stacked = any(path[:depth] in repeats for depth in range(len(path)))
            found |= {name: Place(node, index if stacked else None) for index, name in enumerate(names)}
    return found


def stacked(tree: Any, model: nnx.Module) -> Any:
    """For each array of a state of a model, whether it is stacked for several blocks."""
    repeats = {path for path, node in nnx.iter_graph(model) if is_repeated(node)}

    def within(path: tuple[Any, ...], _: Any) -> bool:
        keys = tuple(getattr(key, "key", getattr(key, "idx", None)) for key in path)
        return any(keys[:depth] in repeats for depth in range(len(keys)))

    return jax.tree_util.tree_map_with_path(within, tree)


def names_of(tree: Any, model: nnx.Module) -> list[tuple[Any, list[str]]]:
    """The path of each array of a state of a model, with its names in the spec."""
    nodes: list[tuple[Any, Any]] = list(nnx.iter_graph(model))
    repeats = {path: node.repeats for path, node in nodes if is_repeated(node)}

    def keys(path: tuple[Any, ...]) -> Path:
        found = (getattr(key, "key", getattr(key, "idx", None)) for key in path)
        return tuple(key for key in found if key is not None)

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(path, spec_names(keys(path), repeats)) for path, _ in leaves]


def is_repeated(node: object) -> bool:
    """Whether a node is the layer of equal blocks that an emitted file defines."""
    return isinstance(node, nnx.Module) and {"repeats", "blocks"} <= vars(node).keys()


def spec_shapes(model: nnx.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in the spec's layout; the model may be an abstract one."""
    return {name: _turned(place.shape, TO_SPEC) for name, place in places(model).items()}


def state_dict(model: nnx.Module) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of all parameters and statistics, in the spec's names and layouts."""
    arrays: dict[int, np.ndarray[Any, Any]] = {}  # so that what is stacked comes from the device once

    def array(place: Place) -> np.ndarray[Any, Any]:
        whole = arrays.setdefault(id(place.variable), np.asarray(place.variable.get_value()))
        return whole if place.block is None else whole[place.block]

    return {name: to_spec(array(place)) for name, place in places(model).items()}


def load_state_dict(model: nnx.Module, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Set all parameters and statistics from tensors in the spec's names and layouts, which must fit.

    A parameter becomes as precise as its tensor, but never less precise than it was. Where JAX has no float64, which it has
    to be asked for, such tensors are rounded, with a warning.
    """
    found = places(model)
    expected = spec_shapes(model)
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if given != expected:
        differing = sorted(name for name, _ in given.items() ^ expected.items())
        raise ValueError(f"these tensors do not fit the model: {', '.join(dict.fromkeys(differing))}")
    rounds = jax.dtypes.canonicalize_dtype(np.float64) != np.float64
    if rounds and any(tensor.dtype == np.float64 for tensor in tensors.values()):
        warnings.warn("weights in float64 are rounded to float32: set JAX_ENABLE_X64=1 to keep them", stacklevel=2)
    parts: dict[int, tuple[nnx.Variable[Any], list[jax.Array]]] = {}
    for name, (variable, block) in found.items():
        value = from_spec(tensors[name], variable.get_value().dtype)
        if block is None:
            variable.set_value(value)
        else:
            parts.setdefault(id(variable), (variable, []))[1].append(value)
    for variable, values in parts.values():
        variable.set_value(jnp.stack(values))


def to_spec(value: jax.Array | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A tensor in the spec's layout; counters have 64 bits there."""
    array = np.asarray(value)
    if array.dtype.kind == "i":
        array = array.astype(np.int64)
    return np.ascontiguousarray(array.transpose(TO_SPEC[array.ndim])) if array.ndim in TO_SPEC else array.copy()


def from_spec(tensor: np.ndarray[Any, Any], dtype: Any) -> jax.Array:
    """A tensor in Flax's layout, as precise as it is or as `dtype`, whichever is more."""
    if jnp.issubdtype(dtype, jnp.floating) and jnp.issubdtype(tensor.dtype, jnp.floating):
        dtype = jax.dtypes.canonicalize_dtype(jnp.promote_types(dtype, tensor.dtype))
    turned = tensor.transpose(FROM_SPEC[tensor.ndim]) if tensor.ndim in FROM_SPEC else tensor
    return jnp.array(turned.astype(dtype))


def _turned(shape: tuple[int, ...], axes: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in axes[len(shape)]) if len(shape) in axes else tuple(shape)

"""The spec's names and layouts for what a Flax model holds, which checkpoints of every backend share.

The path of a variable in an emitted model is the spec's dotted name of its layer, so only the last word is translated:

    Flax                                the spec, and PyTorch
    layer1.0.conv1.kernel (H, W, I, O)  layer1.0.conv1.weight (O, I, H, W)
    fc.kernel (I, O)                    fc.weight (O, I)
    bn1.scale, bn1.bias                 bn1.weight, bn1.bias
    bn1.mean, bn1.var                   bn1.running_mean, bn1.running_var
    bn1.num_batches_tracked, int32      bn1.num_batches_tracked, int64

Nothing here imports archspec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

NAMES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
"""The last word of a name, where the two differ."""

TO_SPEC = {4: (3, 2, 0, 1), 2: (1, 0)}
FROM_SPEC = {4: (2, 3, 1, 0), 2: (1, 0)}
"""How the axes of a kernel are turned, by their number."""


def spec_name(path: Sequence[object]) -> str:
    """The spec's name of the variable at a path."""
    *layers, last = map(str, path)
    return ".".join([*layers, NAMES.get(last, last)])


def named_variables(model: nnx.Module) -> dict[str, nnx.Variable[Any]]:
    """The parameters and statistics of a model by the spec's names. They are the model's own, in Flax's layout."""
    return {
        spec_name(path): node
        for path, node in nnx.iter_graph(model)
        if isinstance(node, (nnx.Param, nnx.BatchStat))
    }


def spec_shapes(model: nnx.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in the spec's layout; the model may be an abstract one."""
    return {name: _turned(variable.shape, TO_SPEC) for name, variable in named_variables(model).items()}


def state_dict(model: nnx.Module) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of all parameters and statistics, in the spec's names and layouts."""
    return {name: to_spec(variable.get_value()) for name, variable in named_variables(model).items()}


def load_state_dict(model: nnx.Module, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Set all parameters and statistics from tensors in the spec's names and layouts, which must fit.

    A parameter becomes as precise as its tensor, but never less precise than it was.
    """
    variables = named_variables(model)
    expected = spec_shapes(model)
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if given != expected:
        differing = sorted(name for name, _ in given.items() ^ expected.items())
        raise ValueError(f"these tensors do not fit the model: {', '.join(dict.fromkeys(differing))}")
    for name, variable in variables.items():
        variable.set_value(from_spec(tensors[name], variable.get_value().dtype))


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

"""The state of a run as it was at a step, apart from the run; the files that it becomes, and what is read of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import load_file
from safetensors.numpy import save as serialize

from archspec_flax.names import load_state_dict, spec_shapes, state_dict
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.checkpoints.store import fit, tensors
from archspec_runtime.parts import extra


@dataclass(frozen=True, slots=True)
class FlaxSnapshot:
    """Copies in the host's memory; the runtime's `Snapshot`."""

    graph: Any  # with params and rest, the model
    params: Any
    rest: Any
    average: Any  # of parameters and running statistics; None without
    optimizer: Any
    normalization: Normalization

    def finite(self) -> bool:
        """Whether every number of the weights is finite."""
        leaves = jax.tree.leaves((self.params, nnx.filter_state(self.rest, nnx.BatchStat)))
        return all(bool(np.isfinite(leaf).all()) for leaf in leaves)

    def files(self) -> dict[str, bytes]:
        """`weights.safetensors` by the spec's names, `optimizer.safetensors` by its own, and what else there is."""
        states = {
            "weights": self._named(self.params, self.rest),
            "normalization": self.normalization.to_arrays(),
            "optimizer": flat(self.optimizer),
        }
        if self.average is not None:
            params, statistics = self.average
            states["average"] = self._named(params, nnx.merge_state(self.rest, statistics))
        return {f"{name}.safetensors": serialize(state) for name, state in states.items()}

    def _named(self, params: Any, rest: Any) -> dict[str, np.ndarray[Any, Any]]:
        return state_dict(nnx.merge(self.graph, params, rest))


@jax.jit
def copied(tree: Any) -> Any:
    """Copies of all arrays of a tree: the step after gives the arrays themselves away."""
    return jax.tree.map(jnp.copy, tree)


def flat(tree: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The leaves of a tree by their paths."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.array(leaf, order="C") for path, leaf in leaves}


def unflat(tree: Any, tensors: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """A tree like this one with the leaves that `flat` gave."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(tensors[jax.tree_util.keystr(path)], leaf.dtype), tree
    )


def fitting(model: nnx.Module, file: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    """The tensors of a safetensors file, which are those of a model. Raises DamagedError."""
    state = tensors(file, load_file)
    fit(file, {name: array.shape for name, array in state.items()}, spec_shapes(model))
    return state


def load_model(model: nnx.Module, file: Path) -> None:
    """Set all parameters and statistics from a safetensors file. Raises DamagedError; then nothing is set."""
    load_state_dict(model, fitting(model, file))


def load_optimizer(tree: Any, file: Path) -> Any:
    """The state of an optimizer, a tree like this one, with the leaves of a safetensors file. Raises DamagedError."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    own = {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in leaves}
    state = tensors(file, load_file)
    if state.keys() != own.keys() and (earlier := extra("archspec_flax.trainer.earlier")) is not None:
        state = earlier.where_they_are(state, own)
    fit(file, {name: array.shape for name, array in state.items()}, own, "optimizer")
    return unflat(tree, state)

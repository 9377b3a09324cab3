"""The files of a snapshot, read back into a model and its optimizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from safetensors.numpy import load_file

from archspec_flax.names import load_state_dict, spec_shapes
from archspec_runtime.checkpoints.contents import fit, tensors

from .snapshot import unflat

Numbers = np.ndarray[Any, Any]
CHAINED = re.compile(r"^\[0\](\[\d+\])+")  # where a part is in chains of chains, before its own names


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
    state = where_they_are(tensors(file, load_file), own)
    fit(file, {name: array.shape for name, array in state.items()}, own, "optimizer")
    return unflat(tree, state)


def where_they_are(state: Mapping[str, Numbers], own: Iterable[str]) -> Mapping[str, Numbers]:
    """Leaves under their places in an optimizer of the same parts that chains them otherwise, as another version may have.

    The place of momentum is `[0][1].trace['conv1']['kernel']` in one and `[0][1][0].trace[...]` in another.
    """
    places = {CHAINED.sub("[0]", name): name for name in own}
    found = {CHAINED.sub("[0]", name): array for name, array in state.items()}
    if len(found) < len(state) or places.keys() != found.keys():
        return state  # some are of another kind, or several of one kind
    return {places[name]: array for name, array in found.items()}

"""Weights in a Flax model, and in Orbax checkpoints of its state in Flax's own names and layouts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec_flax.names import FROM_SPEC, load_state_dict, spec_name, to_spec

STATISTICS = {"mean", "var", "num_batches_tracked"}


def load_weights(model: nnx.Module, weights: Weights) -> None:
    """Set all parameters and statistics of a model from tensors that fit it."""
    load_state_dict(model, weights)


def read_orbax(path: Path, trees: Mapping[str, Path], key: str | None) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of a tree, as they were saved, in the spec's layouts. Raises WeightsError."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for keys, array in _restored(path, _chosen(path, trees, key)):
        name = spec_name([key for key in keys if key != "value"])
        if not isinstance(array, np.ndarray):
            raise WeightsError(f"{path} holds more than arrays: `{name}` is a value of type {type(array).__name__}")
        if name in tensors:
            raise WeightsError(f"{path} holds two arrays that are `{name}`")
        tensors[name] = to_spec(array)
    return tensors


def write_orbax(path: Path, weights: Weights) -> None:
    """A checkpoint of `nnx.state(model, (nnx.Param, nnx.BatchStat))` of an emitted model. Raises OSError."""
    import orbax.checkpoint as ocp

    flat: dict[tuple[str | int, ...], Any] = {}
    with jax.enable_x64(True):  # what has 64 bits keeps them
        for name, array in weights.items():
            keys = flax_path(name, array.ndim)
            turned = array.transpose(FROM_SPEC[array.ndim]) if array.ndim in FROM_SPEC else array
            value = jnp.asarray(turned.astype(np.int32) if array.dtype.kind == "i" else turned)
            flat[keys] = nnx.BatchStat(value) if keys[-1] in STATISTICS else nnx.Param(value)
        try:
            with quiet_when_it_fails(), ocp.StandardCheckpointer() as checkpointer:
                checkpointer.save(path.resolve(), nnx.from_flat_state(flat))  # type: ignore[arg-type, unused-ignore]
        except (ValueError, RuntimeError) as error:  # TensorStore's, of whatever the disk said
            raise OSError(f"Orbax says {_first_line(error)}") from None


def flax_path(name: str, dimensions: int) -> tuple[str | int, ...]:
    """Where an emitted model keeps a tensor of the spec: `spec_name` the other way."""
    *layers, last = name.split(".")
    own = {"weight": "kernel" if dimensions in FROM_SPEC else "scale", "running_mean": "mean", "running_var": "var"}
    return *(int(layer) if layer.isdigit() else layer for layer in layers), own.get(last, last)


def _chosen(path: Path, trees: Mapping[str, Path], key: str | None) -> Path:
    if key is None and len(trees) == 1:
        return next(iter(trees.values()))
    if key is None or key not in trees:
        what = "several trees of arrays" if key is None else f"no tree of arrays `{key}`"
        known = ", ".join(f"`{name}`" for name in trees if name)
        raise WeightsError(f"{path} holds {what}", f"--key takes {known}" if known else "leave --key out")
    return trees[key]


def _restored(path: Path, folder: Path) -> list[tuple[tuple[str, ...], Any]]:
    import orbax.checkpoint as ocp

    try:
        with quiet_when_it_fails(), ocp.PyTreeCheckpointer() as checkpointer:
            described = checkpointer.metadata(folder.resolve()).item_metadata
            tree = described.tree
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            restored = checkpointer.restore(folder.resolve(), restore_args=as_numpy)
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise WeightsError(f"cannot read weights from {path}: it is damaged or no Orbax checkpoint ({_first_line(error)})",
                           "give the folder that was saved to") from None  # fmt: skip
    leaves = jax.tree_util.tree_leaves_with_path(restored)
    return [(tuple(jax.tree_util.keystr((k,), simple=True) for k in keys), leaf) for keys, leaf in leaves]


@contextmanager
def quiet_when_it_fails() -> Iterator[None]:
    """Where one array fails, Orbax closes the loop that the others still report to, and Python would say so for each."""
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            usual(unraisable)

    log = logging.getLogger("absl")  # where it tells what it raises anyhow
    said, log.disabled = log.disabled, True
    sys.unraisablehook = hook
    try:
        yield
    finally:
        log.disabled = said
    sys.unraisablehook = usual  # after a failure it stays: the others report for a while


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]

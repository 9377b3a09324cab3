"""Weights in a Flax model, and in Orbax checkpoints of its state in Flax's own names and layouts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec.network import Network
from archspec.weights.identity import KEY, OfRun, metadata, parsed
from archspec_flax.emit.rolling import Stages, rolled_stages
from archspec_flax.names import FROM_SPEC, load_state_dict, spec_names, to_spec

STATISTICS = {"mean", "var", "num_batches_tracked"}


def load_weights(model: nnx.Module, weights: Weights) -> None:
    """Set all parameters and statistics of a model from tensors that fit it."""
    load_state_dict(model, weights)


def read_orbax(
    path: Path, trees: Mapping[str, Path], key: str | None, net: Network
) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of a tree, as they were saved, in the spec's layouts. Raises WeightsError."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    repeats = _repeats(rolled_stages(net))
    arrays, about = _restored(path, _chosen(path, trees, key))
    for keys, array in arrays:
        where = tuple(int(key) if key.isdigit() else key for key in keys if key != "value")
        names = spec_names(where, repeats)
        if not isinstance(array, np.ndarray):
            raise WeightsError(
                f"{path} holds more than arrays: `{names[0]}` is a value of type {type(array).__name__}"
            )
        if any(where[:depth] in repeats for depth in range(len(where))):
            if array.shape[:1] != (len(names),):
                raise WeightsError(
                    f"{path} holds `{'.'.join(keys)}` of shape {array.shape}, not stacked for {len(names)} blocks"
                )
            parts = list(array)
        else:
            parts = [array]
        for name, part in zip(names, parts, strict=True):
            if name in tensors:
                raise WeightsError(f"{path} holds two arrays that are `{name}`")
            tensors[name] = to_spec(np.asarray(part))
    return OfRun(tensors, parsed(about.get(KEY)))


def write_orbax(path: Path, weights: Weights, net: Network) -> None:
    """A checkpoint of `nnx.state(model, (nnx.Param, nnx.BatchStat))` of an emitted model. Raises OSError."""
    import orbax.checkpoint as ocp

    flat: dict[tuple[str | int, ...], Any] = {}
    with jax.enable_x64(True):  # what has 64 bits keeps them
        for keys, array in _stacked(weights, rolled_stages(net)).items():
            value = jnp.asarray(array.astype(np.int32) if array.dtype.kind == "i" else array)
            flat[keys] = nnx.BatchStat(value) if keys[-1] in STATISTICS else nnx.Param(value)
        try:
            with quiet_when_it_fails(), ocp.StandardCheckpointer() as checkpointer:
                state: Any = nnx.from_flat_state(flat)  # type: ignore[arg-type, unused-ignore]
                checkpointer.save(path.resolve(), state, custom_metadata=dict(metadata(weights)) or None)
        except (ValueError, RuntimeError) as error:  # TensorStore's, of whatever the disk said
            raise OSError(f"Orbax says {_first_line(error)}") from None


def _stacked(weights: Weights, stages: Stages) -> dict[tuple[str | int, ...], np.ndarray[Any, Any]]:
    """All tensors where an emitted model keeps them, in Flax's layout; those of equal blocks, which come in order, as one."""
    whole: dict[tuple[str | int, ...], np.ndarray[Any, Any]] = {}
    parts: dict[tuple[str | int, ...], list[np.ndarray[Any, Any]]] = {}
    for name, array in weights.items():
        turned = array.transpose(FROM_SPEC[array.ndim]) if array.ndim in FROM_SPEC else array
        keys, stacked = flax_path(name, array.ndim, stages)
        if stacked:
            parts.setdefault(keys, []).append(turned)
        else:
            whole[keys] = turned
    return whole | {keys: np.stack(arrays) for keys, arrays in parts.items()}


def flax_path(name: str, dimensions: int, stages: Stages) -> tuple[tuple[str | int, ...], bool]:
    """Where an emitted model keeps a tensor of the spec, and whether it is stacked there: `spec_names` the other way."""
    *layers, last = name.split(".")
    own = {"weight": "kernel" if dimensions in FROM_SPEC else "scale", "running_mean": "mean", "running_var": "var"}
    keys: list[str | int] = []
    stacked = False
    for depth, layer in enumerate(layers):
        runs = stages.get(".".join(layers[:depth]))
        if not layer.isdigit() or runs is None:
            keys.append(int(layer) if layer.isdigit() else layer)
            continue
        position, stacked = _position(int(layer), runs)
        keys += [*([position] if len(runs) > 1 else []), *(["blocks"] if stacked else [])]
    return (*keys, own.get(last, last)), stacked


def _position(block: int, runs: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
    """The place in a sequence of a stage's block, and whether it is one of several that share a place."""
    position = first = 0
    for count, is_rolled in runs:
        if block < first + count:
            return position if is_rolled else position + block - first, is_rolled
        first, position = first + count, position + (1 if is_rolled else count)
    raise ValueError(f"a stage of {first} blocks has none of number {block}")


def _repeats(stages: Stages) -> dict[tuple[str | int, ...], int]:
    """How many blocks each layer of equal ones has, by its path."""
    found: dict[tuple[str | int, ...], int] = {}
    for stage, runs in stages.items():
        path = tuple(int(word) if word.isdigit() else word for word in stage.split("."))
        first = 0
        for count, is_rolled in runs:
            if is_rolled:
                position, _ = _position(first, runs)
                found[(*path, position) if len(runs) > 1 else path] = count
            first += count
    return found


def _chosen(path: Path, trees: Mapping[str, Path], key: str | None) -> Path:
    if key is None and len(trees) == 1:
        return next(iter(trees.values()))
    if key is None or key not in trees:
        what = "several trees of arrays" if key is None else f"no tree of arrays `{key}`"
        known = ", ".join(f"`{name}`" for name in trees if name)
        raise WeightsError(f"{path} holds {what}", f"--key takes {known}" if known else "leave --key out")
    return trees[key]


def _restored(path: Path, folder: Path) -> tuple[list[tuple[tuple[str, ...], Any]], Mapping[str, Any]]:
    """The arrays of a tree by their paths, and what else was said of it."""
    import orbax.checkpoint as ocp

    try:
        with quiet_when_it_fails(), ocp.PyTreeCheckpointer() as checkpointer:
            found = checkpointer.metadata(folder.resolve())
            tree, about = found.item_metadata.tree, found.custom_metadata or {}
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            restored = checkpointer.restore(folder.resolve(), restore_args=as_numpy)
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise WeightsError(f"cannot read weights from {path}: it is damaged or no Orbax checkpoint ({_first_line(error)})",
                           "give the folder that was saved to") from None  # fmt: skip
    leaves = jax.tree_util.tree_leaves_with_path(restored)
    return [(tuple(jax.tree_util.keystr((k,), simple=True) for k in keys), leaf) for keys, leaf in leaves], about


@contextmanager
def quiet_when_it_fails() -> Iterator[None]:
    """Where one array fails, nobody asks for the errors of the others, and asyncio and Python would tell each of them."""
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            usual(unraisable)

    log = logging.getLogger("absl")  # where it tells what it raises anyhow
    said, log.disabled = log.disabled, True
    sys.unraisablehook = hook
    logging.getLogger("asyncio").addFilter(not_of_orbax)
    try:
        yield
    finally:
        log.disabled = said
    sys.unraisablehook = usual  # after a failure it stays, as the filter: the others report for a while
    logging.getLogger("asyncio").removeFilter(not_of_orbax)


def not_of_orbax(record: logging.LogRecord) -> bool:
    """Whether asyncio tells of something else than a write of Orbax that failed after another."""
    return "orbax" not in record.getMessage()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]

"""Weights in a Flax model, and in Orbax checkpoints of its state in Flax's own names and layouts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from archspec.backends import Weights
from archspec.backends.stored import Array, Stored
from archspec.errors import WeightsError
from archspec.ir.network import Network
from archspec.weights.identity import KEY, OfRun, metadata, parsed
from archspec_flax.emit.rolling import Stages, rolled_stages
from archspec_flax.msgpack import leaves, read_tree
from archspec_flax.names import FROM_SPEC, TO_SPEC, load_state_dict, spec_names, to_spec
from archspec_flax.tensor_words import attribute_of_tensor

STATISTICS = {"mean", "var", "num_batches_tracked"}


def load_weights(model: nnx.Module, weights: Weights) -> None:
    """Set all parameters and statistics of a model from tensors that fit it."""
    load_state_dict(model, weights)


Leaves = Sequence[tuple[tuple[str, ...], Any]]
"""What stands at the ends of a tree, with the keys that lead there."""


def read_orbax(path: Path, trees: Mapping[str, Path], key: str | None, net: Network) -> dict[str, Array | Stored]:
    """All arrays of a tree, as they were saved, in the spec's layouts. Raises WeightsError."""
    found, about = _described(path, _chosen(path, trees, key))
    return OfRun(by_spec_names(path, found, net), parsed(about.get(KEY)))


def read_msgpack(path: Path, key: str | None, net: Network) -> tuple[dict[str, Array | Stored], list[str]]:
    """All arrays of a file of `flax.serialization`: variables of Linen, or a state of NNX. Raises WeightsError."""
    try:
        tree = read_tree(path)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"cannot read weights from {path}: it is damaged or no msgpack of Flax's ({error})",
                           "get it anew") from None  # fmt: skip
    if key is not None and not isinstance(tree.get(key), dict):
        named = ", ".join(f"`{name}`" for name, value in tree.items() if isinstance(value, dict))
        raise WeightsError(
            f"{path} has no tree of arrays `{key}`", f"--key takes {named}" if named else "leave --key out"
        )
    chosen = key or "params"
    notes: list[str] = []
    if isinstance(tree.get(chosen), dict):
        params = tree[chosen].get("params", tree[chosen])
        beside = tree.get("batch_stats", tree[chosen].get("batch_stats", {}))
        if left := [name for name in tree if name not in (chosen, "batch_stats")]:
            notes.append(f"found under `{chosen}`; left out: {', '.join(f'`{name}`' for name in left)}")
        found = [*leaves(params), *(leaves(beside) if isinstance(beside, dict) else ())]
    else:
        found = list(leaves(tree))
    return by_spec_names(path, found, net), notes


def by_spec_names(path: Path, found: Leaves, net: Network) -> dict[str, Array | Stored]:
    """Arrays by the spec's names and in its layouts, those that are stacked for equal blocks apart. Raises WeightsError."""
    tensors: dict[str, Array | Stored] = {}
    repeats = _repeats(rolled_stages(net))
    for keys, array in found:
        where = tuple(
            int(key) if key.isdecimal() and key.isascii() and len(key) < 9 else key
            for key in keys
            if key != "value"
        )
        if not where:
            raise WeightsError(f"{path} holds a single value, and no tree of arrays")
        names = spec_names(where, repeats)
        if not isinstance(array, np.ndarray | Stored):
            raise WeightsError(
                f"{path} holds more than arrays: `{names[0]}` is a value of type {type(array).__name__}"
            )
        rolled = any(where[:depth] in repeats for depth in range(len(where)))
        if rolled and array.shape[:1] != (len(names),):
            raise WeightsError(
                f"{path} holds `{'.'.join(keys)}` of shape {array.shape}, not stacked for {len(names)} blocks"
            )
        whole = cache(partial(np.asarray, array))
        for index, name in enumerate(names):
            if name in tensors:
                raise WeightsError(f"{path} holds two arrays that are `{name}`")
            tensors[name] = _in_spec_layout(array, whole, index if rolled else None)
    return tensors


def _in_spec_layout(array: Array | Stored, whole: Callable[[], Array], block: int | None) -> Stored:
    shape = tuple(array.shape if block is None else array.shape[1:])
    turned = tuple(shape[axis] for axis in TO_SPEC[len(shape)]) if len(shape) in TO_SPEC else shape
    dtype = np.dtype(np.int64) if array.dtype.kind == "i" else array.dtype

    def load() -> Array:
        loaded = whole()
        if loaded.shape != tuple(array.shape):
            raise WeightsError(f"an array has the shape {loaded.shape}, and its description {tuple(array.shape)}")
        return to_spec(loaded if block is None else loaded[block])

    return Stored(turned, dtype, load)


def write_orbax(path: Path, weights: Weights, net: Network) -> None:
    """A checkpoint of `nnx.state(model, (nnx.Param, nnx.BatchStat))` of an emitted model. Raises OSError."""
    import orbax.checkpoint as ocp

    flat: dict[tuple[str | int, ...], Any] = {}
    with jax.enable_x64(True):  # what has 64 bits keeps them
        for keys, array in _stacked(weights, net).items():
            value = jnp.asarray(array.astype(np.int32) if array.dtype.kind == "i" else array)
            flat[keys] = nnx.BatchStat(value) if keys[-1] in STATISTICS else nnx.Param(value)
        try:
            with quiet_when_it_fails(), ocp.StandardCheckpointer() as checkpointer:
                state: Any = nnx.from_flat_state(flat)  # type: ignore[arg-type, unused-ignore]
                checkpointer.save(path.resolve(), state, custom_metadata=dict(metadata(weights)) or None)
        except (ValueError, RuntimeError) as error:  # TensorStore's, of whatever the disk said
            raise OSError(f"Orbax says {_first_line(error)}") from None


def _stacked(weights: Weights, net: Network) -> dict[tuple[str | int, ...], np.ndarray[Any, Any]]:
    """All tensors where an emitted model keeps them, in Flax's layout; those of equal blocks, which come in order, as one."""
    stages, own = rolled_stages(net), {row.name for row in net.modules() if row.target.holds_tensor}
    whole: dict[tuple[str | int, ...], np.ndarray[Any, Any]] = {}
    parts: dict[tuple[str | int, ...], list[np.ndarray[Any, Any]]] = {}
    for name, array in weights.items():
        turned = array.transpose(FROM_SPEC[array.ndim]) if array.ndim in FROM_SPEC else array
        keys, stacked = flax_path(name, array.ndim, stages, own)
        if stacked:
            parts.setdefault(keys, []).append(turned)
        else:
            whole[keys] = turned
    return whole | {keys: np.stack(arrays) for keys, arrays in parts.items()}


def flax_path(
    name: str, dimensions: int, stages: Stages, own: Collection[str] = ()
) -> tuple[tuple[str | int, ...], bool]:
    """Where an emitted model keeps a tensor of the spec, and whether it is stacked there: `spec_names` the other way.

    `own` are the names of tensors that are steps themselves, and no layer's.
    """
    *layers, last = name.split(".")
    words = {
        "weight": "kernel" if dimensions in FROM_SPEC else "scale",
        "running_mean": "mean",
        "running_var": "var",
    }
    keys: list[str | int] = []
    stacked = False
    for depth, layer in enumerate(layers):
        runs = stages.get(".".join(layers[:depth]))
        if not layer.isdigit() or runs is None:
            keys.append(int(layer) if layer.isdigit() else layer)
            continue
        position, stacked = _position(int(layer), runs)
        keys += [*([position] if len(runs) > 1 else []), *(["blocks"] if stacked else [])]
    return (*keys, attribute_of_tensor(last) if name in own else words.get(last, last)), stacked


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


def _described(path: Path, folder: Path) -> tuple[Leaves, Mapping[str, Any]]:
    """What a checkpoint's metadata says of its arrays, and beside them. They are restored when the first is asked for."""
    import orbax.checkpoint as ocp

    with _blamed(path), quiet_when_it_fails(), ocp.PyTreeCheckpointer() as checkpointer:
        found = checkpointer.metadata(folder.resolve())
        tree, about = found.item_metadata.tree, found.custom_metadata or {}
        described = _flat(tree)

    @cache
    def restored() -> dict[tuple[str, ...], Any]:
        with _blamed(path), quiet_when_it_fails(), ocp.PyTreeCheckpointer() as checkpointer:
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            return dict(_flat(checkpointer.restore(folder.resolve(), restore_args=as_numpy)))

    def claimed(keys: tuple[str, ...], leaf: Any) -> Any:
        shape, dtype = (getattr(leaf, about, None) for about in ("shape", "dtype"))
        if shape is None or dtype is None:
            return leaf
        return Stored(tuple(shape), np.dtype(dtype), lambda: np.asarray(restored()[keys]))

    return [(keys, claimed(keys, leaf)) for keys, leaf in described], about


def _flat(tree: Any) -> Leaves:
    found = jax.tree_util.tree_leaves_with_path(tree)
    return [(tuple(jax.tree_util.keystr((k,), simple=True) for k in keys), leaf) for keys, leaf in found]


@contextmanager
def _blamed(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise WeightsError(f"cannot read weights from {path}: it is damaged or no Orbax checkpoint ({_first_line(error)})",
                           "give the folder that was saved to") from None  # fmt: skip


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

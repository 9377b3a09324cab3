"""Flax's folders of weights, recognized without Flax."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec_flax.health import need_flax
from archspec_runtime.processes.platforms import share_gpu

if TYPE_CHECKING:
    from archspec.backends.stored import Array, Stored
    from archspec.ir.network import Network

METADATA = "_METADATA"
"""The file that describes a tree of arrays, in the folder that Orbax wrote it to."""


class Orbax:
    """An Orbax checkpoint of `nnx.state(model, (nnx.Param, nnx.BatchStat))`."""

    title = "an Orbax checkpoint"
    suffixes: tuple[str, ...] = ()
    writable = True
    carries_identity = True

    def recognizes(self, path: Path) -> bool:
        """Whether a folder holds a tree of arrays, or several by name."""
        return bool(trees(path))

    def read(self, path: Path, key: str | None, net: Network) -> tuple[dict[str, Array | Stored], list[str]]:
        """All arrays, as they were saved, in the spec's layouts. Raises WeightsError, and SpecError without Flax."""
        need_flax()
        share_gpu()
        from archspec_flax.weights import read_orbax

        return read_orbax(path, trees(path), key, net), []

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """A checkpoint that restores into the state of an emitted model."""
        need_flax()
        share_gpu()
        from archspec_flax.weights import write_orbax

        write_orbax(path, weights, net)


class Msgpack:
    """A file of `flax.serialization.to_bytes`: variables of Linen, a training state of theirs, or a state of NNX."""

    title = "a msgpack file of Flax"
    suffixes = (".msgpack",)
    writable = False

    def recognizes(self, path: Path) -> bool:
        """Whether a file begins with a map that has names as keys."""
        from archspec_flax.msgpack import begins_a_tree

        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return begins_a_tree(file.read(16))

    def read(self, path: Path, key: str | None, net: Network) -> tuple[dict[str, Array | Stored], list[str]]:
        """All arrays, in the spec's layouts. Raises WeightsError, and SpecError without Flax."""
        need_flax()
        from archspec_flax.weights import read_msgpack

        return read_msgpack(path, key, net)

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """Not offered: Orbax is what Flax keeps weights in."""
        raise WeightsError("msgpack files are read, and not written", "write an Orbax checkpoint: --to flax", 2)


def trees(path: Path) -> dict[str, Path]:
    """The trees of arrays in a folder by name: a checkpoint, its parts, or those of each step of a `CheckpointManager`."""
    if (path / METADATA).is_file():
        return {"": path}
    for depth in ("*", "*/*"):
        if found := sorted(path.glob(f"{depth}/{METADATA}")):
            return {file.parent.relative_to(path).as_posix(): file.parent for file in found}
    return {}

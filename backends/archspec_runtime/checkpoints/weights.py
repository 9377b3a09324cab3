"""Weights out of the folder of a run, or out of one of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec_runtime.checkpoints import store
from archspec_runtime.checkpoints.store import SETS, loop_state, tensors
from archspec_runtime.errors import CheckpointError, RunError

if TYPE_CHECKING:
    import numpy as np

    from archspec_runtime.record.identity import Identity


class OfRun(dict[str, Any]):
    """Tensors by name, with the identity of the run that they are of."""

    def __init__(self, found: Mapping[str, Any], identity: Identity | None) -> None:
        super().__init__(found)
        self.identity = identity


class RunWeights:
    """The weights of a run's newest complete checkpoint, or of one checkpoint; read alone."""

    title = "a run of `archspec train`"
    suffixes: tuple[str, ...] = ()
    writable = False

    def recognizes(self, path: Path) -> bool:
        """Whether a folder is that of a run or of a checkpoint."""
        return (path / "run.json").is_file() or (path / "manifest.json").is_file()

    def read(self, path: Path, key: str | None, net: Any) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
        """All tensors, and from which checkpoint. Raises RunError where none is whole."""
        from safetensors.numpy import load_file

        from archspec_runtime.record.identity import (
            read_identity,  # with NumPy, which a backend that only emits does without
        )

        if (path / "manifest.json").is_file():
            store.verify(path, None)
            checkpoint = path
        else:
            found = store.newest(path, None)
            if found is None:
                raise CheckpointError(f"{path} has no checkpoint", "train it for longer")
            checkpoint = found[0]
        present = [name for name in SETS if (checkpoint / f"{name}.safetensors").is_file()]
        chosen = key or next(iter(present), "weights")
        if chosen not in present:
            raise RunError(f"{checkpoint} has no {chosen}.safetensors", f"it has {' and '.join(present) or 'none'}")
        said = f"of {checkpoint.name}, {SETS[chosen]}" if len(present) > 1 else f"of {checkpoint.name}"
        identity = read_identity(loop_state(checkpoint), checkpoint / "loop.json")
        return OfRun(tensors(checkpoint / f"{chosen}.safetensors", load_file), identity), [said]

    def write(self, path: Path, weights: Any, net: Any) -> None:
        """Not offered: a run is more than its weights."""
        raise RunError("runs are written by `archspec train`")

"""Handing weights of any format to a trainer, which reads one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from archspec.network import Network
from archspec.undoing import undone
from archspec.weights.convert import read_fitting
from archspec.weights.safetensors import serialized


@contextmanager
def as_safetensors(net: Network, source: Path, fresh: Sequence[str]) -> Iterator[Path]:
    """A safetensors file, as long as the block, of the weights that `source` has for a net, but for its `fresh` modules.

    Raises WeightsError and SpecError as `read_fitting` does.
    """
    weights = read_fitting(net, source, fresh)
    room = tempfile.TemporaryDirectory(prefix="archspec-", ignore_cleanup_errors=True)
    with undone(room.cleanup):
        file = Path(room.name) / "weights.safetensors"
        file.write_bytes(serialized(weights))
        yield file

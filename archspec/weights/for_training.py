"""Handing weights of any format to a trainer, which reads one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from archspec.errors import WeightsError
from archspec.files.interrupts import undone
from archspec.ir.network import Network
from archspec.weights.convert import read_fitting
from archspec.weights.dtypes import remarks_on_numbers
from archspec.weights.safetensors import serialized


@contextmanager
def as_safetensors(net: Network, source: Path, fresh: Sequence[str]) -> Iterator[Path]:
    """A safetensors file, as long as the block, of the weights that `source` has for a net, but for its `fresh` modules.

    Raises WeightsError and SpecError as `read_fitting` does, and WeightsError for numbers that no net computes with.
    """
    weights = read_fitting(net, source, fresh)
    if odd := remarks_on_numbers(weights):
        help_ = "give weights of a run that went well; --fresh MODULE leaves out a module"
        raise WeightsError(f"{source} cannot be trained on:", help_, rows=odd)
    room = tempfile.TemporaryDirectory(prefix="archspec-", ignore_cleanup_errors=True)
    with undone(room.cleanup):
        file = Path(room.name) / "weights.safetensors"
        file.write_bytes(serialized(weights))
        yield file

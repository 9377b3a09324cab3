"""Handing weights of any format to a trainer, which reads one, to train on or to predict by."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from archspec.backends.protocol import Weights
from archspec.errors import WeightsError
from archspec.files.interrupts import undone
from archspec.weights.dtypes import remarks_on_numbers
from archspec.weights.safetensors import serialized


@contextmanager
def as_safetensors(weights: Weights, source: Path, use: Literal["train", "predict"] = "train") -> Iterator[Path]:
    """A safetensors file, as long as the block, of weights that were read from `source`.

    Raises WeightsError for numbers that no net computes with.
    """
    if odd := remarks_on_numbers(weights):
        help_ = "give weights of a run that went well" + "; --fresh MODULE leaves out a module" * (use == "train")
        what = "trained on" if use == "train" else "predicted by"
        raise WeightsError(f"{source} cannot be {what}:", help_, rows=odd)
    room = tempfile.TemporaryDirectory(prefix="archspec-", ignore_cleanup_errors=True)
    with undone(room.cleanup):
        file = Path(room.name) / "weights.safetensors"
        file.write_bytes(serialized(weights))
        yield file

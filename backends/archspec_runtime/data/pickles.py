"""A reader for the official CIFAR pickles that can make arrays and plain values and nothing else."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from archspec_runtime.errors import DataError

# What a pickled NumPy array of bytes refers to, by the module names of NumPy 1 and 2.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin1") if encoding == "latin1" else _refuse(),
}


def _refuse() -> bytes:
    raise pickle.UnpicklingError("an encoding that official files do not use")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(raw: bytes, name: str) -> Any:
    """The value in an official pickle. Raises DataError for one that is damaged or refers to anything else."""
    try:
        return _Reader(io.BytesIO(raw), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError,
            ImportError, MemoryError, OverflowError, SyntaxError) as error:  # fmt: skip
        raise DataError(
            f"{name} is not an official CIFAR pickle: {error}", "unpack the official archive again"
        ) from None

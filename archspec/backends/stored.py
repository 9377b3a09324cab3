"""A tensor that lies in a file: its shape and type are known, its numbers are read when it is made an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file claims of a tensor. It is compared with the net's before anything of that size is allocated."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Array]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The numbers, by way of `np.asarray`."""
        return np.asarray(self.load(), dtype)


Tensors: TypeAlias = Mapping[str, "Array | Stored"]
"""Tensors as formats read them: arrays, or what becomes one."""

"""Safetensors files in the spec's names and layouts, which belong to no framework."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import ml_dtypes
import numpy as np
from safetensors.numpy import save

from archspec.backends import Weights
from archspec.backends.stored import Array, Stored
from archspec.errors import WeightsError
from archspec.ir.network import Network
from archspec.weights.identity import KEY, OfRun, metadata, parsed

LONGEST = 32 << 20
"""Bytes of a header: a hundred for each tensor of the largest nets, and their class names, a hundred times over."""

DTYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16,
    "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


class UnreadTypeError(ValueError):
    """A tensor has a type that the format knows or may come to know, and that is not read."""


class Safetensors:
    """A safetensors file."""

    title = "a safetensors file"
    suffixes = (".safetensors",)
    writable = True
    carries_identity = True

    def recognizes(self, path: Path) -> bool:
        """Whether a file begins as one does: the length of its header, then the header, a JSON object."""
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"

    def read(self, path: Path, key: str | None, net: Network) -> tuple[dict[str, Array | Stored], list[str]]:
        """All tensors. Raises WeightsError."""
        if key is not None:
            raise WeightsError(
                f"{path} is a safetensors file, which holds one set of weights", "leave --key out", 2
            )
        try:
            tensors, about = stored(path)
            return OfRun(tensors, parsed(about.get(KEY))), []
        except UnreadTypeError as error:
            raise WeightsError(f"cannot read weights from {path}: {error}",
                               f"save it in a type that is read: {', '.join(DTYPES)}") from None  # fmt: skip
        except ValueError as error:
            raise WeightsError(f"cannot read weights from {path}: it is damaged or no safetensors file ({error})",
                               "get it anew") from None  # fmt: skip

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """A file of these tensors."""
        path.write_bytes(serialized(weights))  # by way of bytes: a full disk is then an OSError


def serialized(weights: Weights) -> bytes:
    """A safetensors file; its `format: pt` is what readers of PyTorch's files look for."""
    whole = {name: np.require(tensor, requirements="C") for name, tensor in weights.items()}
    return save(whole, {"format": "pt", **metadata(weights)})


def stored(path: Path) -> tuple[dict[str, Stored], Mapping[str, Any]]:
    """The tensors that a file's header claims, each with its place, and its metadata.

    Raises ValueError where the tensors can't be there.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError(f"its header would have {length:,} bytes" if size >= 8 else "it has no header")
        if length > LONGEST:
            raise ValueError(f"its header has {length:,} bytes, which no net needs")
        header = _object(file.read(length))
    about = header.pop("__metadata__", {})
    begin = 8 + length
    tensors = {name: _tensor(path, name, about, begin, size) for name, about in header.items()}
    end = begin
    for at, to in sorted(place for _, place in tensors.values()):
        if at != end:
            raise ValueError("its tensors overlap, or leave gaps")
        end = to
    if end != size:
        raise ValueError(f"its tensors end at byte {end:,} of {size:,}")
    return {name: tensor for name, (tensor, _) in tensors.items()}, about if isinstance(about, dict) else {}


def _object(text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("its header names something twice")
        return found

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("its header is no JSON") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return header


def _tensor(path: Path, name: str, about: Any, begin: int, size: int) -> tuple[Stored, tuple[int, int]]:
    """A tensor, and from where to where it lies in the file."""
    kind, shape, offsets = (
        about.get(k) if isinstance(about, Mapping) else None for k in ("dtype", "shape", "data_offsets")
    )
    if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise ValueError(f"`{name}` has no shape, or no place")
    if not isinstance(kind, str):
        raise ValueError(f"`{name}` has no type")
    if kind not in DTYPES:
        raise UnreadTypeError(f"`{name}` has the type {kind}, which is not read")
    dtype = np.dtype(DTYPES[kind]).newbyteorder("<")
    at, to = (begin + offset for offset in offsets)
    if to - at != math.prod(shape) * dtype.itemsize or to > size:
        raise ValueError(
            f"`{name}` of shape {tuple(shape)} does not fit into its {to - at:,} bytes, or they are not there"
        )
    return Stored(tuple(shape), dtype, partial(_load, path, at, tuple(shape), dtype)), (at, to)


def _naturals(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**48 for item in value)


def _load(path: Path, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    found: Array = np.fromfile(path, dtype, math.prod(shape), offset=at)
    return found.reshape(shape)

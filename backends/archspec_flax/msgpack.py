"""Trees of arrays that `flax.serialization.to_bytes` wrote, read where they lie in the file. Nothing here imports Flax."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from archspec.backends.stored import Array, Stored

DTYPES: dict[str, Any] = {
    "float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "int64": np.int64,
    "int32": np.int32, "int16": np.int16, "int8": np.int8, "uint64": np.uint64, "uint32": np.uint32, "uint16": np.uint16,
    "uint8": np.uint8, "bool": np.bool_,
}  # fmt: skip
ARRAY, SCALAR = 1, 3  # Flax's own types of msgpack
CHUNKED = "__msgpack_chunked_array__"
DEEPEST = 64
FIXED = {
    0xCC: "B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: "b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
    0xCA: ">f",
    0xCB: ">d",
}
LONG = {
    0xC4: 1,
    0xC5: 2,
    0xC6: 4,
    0xC7: 1,
    0xC8: 2,
    0xC9: 4,
    0xD9: 1,
    0xDA: 2,
    0xDB: 4,
    0xDC: 2,
    0xDD: 4,
    0xDE: 2,
    0xDF: 4,
}
"""Bytes of the length that follows the sign of bytes, of an extension, of text, of a list, of a map."""


def begins_a_tree(head: bytes) -> bool:
    """Whether a file begins with a map whose first key is text."""
    at = {0xDE: 3, 0xDF: 5}.get(head[0], 1) if head else 0
    mapped = head[:1] != b"" and (0x81 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF))
    return mapped and len(head) > at + 1 and 0xA1 <= head[at] <= 0xBF and head[at + 1 : at + 2].isalnum()


def read_tree(path: Path) -> dict[str, Any]:
    """The tree, with `Stored` in the place of arrays. Raises ValueError where it is damaged."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        tree = _Reader(path, file, size).value(0)
        if file.tell() != size:
            raise ValueError("something follows its tree")
    if not isinstance(tree, dict):
        raise ValueError("it holds no tree of arrays")
    return tree


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What stands at the ends of a tree, with where."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


class _Reader:
    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def value(self, depth: int) -> Any:
        """The value that begins here."""
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        sign = self.bytes(1)[0]
        if sign < 0x80 or sign >= 0xE0:
            return sign if sign < 0x80 else sign - 256
        if sign in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[sign]
        if sign in FIXED:
            return struct.unpack(FIXED[sign], self.bytes(struct.calcsize(FIXED[sign])))[0]
        if sign < 0xA0:
            return self.map(sign & 15, depth) if sign < 0x90 else self.list(sign & 15, depth)
        if sign < 0xC0:
            return self.bytes(sign & 31).decode()
        if 0xD4 <= sign <= 0xD8:
            return self.extension(1 << (sign - 0xD4), depth)
        if sign not in LONG:
            raise ValueError("it is no msgpack")
        length = int.from_bytes(self.bytes(LONG[sign]), "big")
        if sign >= 0xDC:
            return self.list(length, depth) if sign < 0xDE else self.map(length, depth)
        if sign >= 0xD9:
            return self.bytes(length).decode()
        return self.place(length) if sign <= 0xC6 else self.extension(length, depth)

    def bytes(self, count: int) -> bytes:
        if count > self.size - self.file.tell():
            raise ValueError("it ends too early")
        return self.file.read(count)

    def place(self, length: int) -> tuple[int, int]:
        """Where bytes lie, which are passed over, and how many."""
        at = self.file.tell()
        if length > self.size - at:
            raise ValueError(f"it would have an array of {length:,} bytes")
        self.file.seek(length, 1)
        return at, length

    def list(self, count: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(count)]

    def map(self, count: int, depth: int) -> Any:
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, (str, int)) or str(key) in found:
                raise ValueError("it has a map with keys that are no names, or with one of them twice")
            found[str(key)] = self.value(depth + 1)
        return _joined(found) if CHUNKED in found else found

    def extension(self, length: int, depth: int) -> Any:
        kind = self.bytes(1)[0]
        end = self.file.tell() + length
        if kind not in (ARRAY, SCALAR):
            raise ValueError(f"it has values of a type that Flax does not write ({kind})")
        if not isinstance(about := self.value(depth + 1), list) or len(about) != 3 or self.file.tell() != end:
            raise ValueError("it has an array without a shape, a type or numbers")
        return self.array(*about)

    def array(self, shape: Any, name: Any, place: Any) -> Stored:
        if (
            not isinstance(shape, list)
            or not all(type(n) is int and n >= 0 for n in shape)
            or not isinstance(place, tuple)
        ):
            raise ValueError("it has an array without a shape, or without numbers")
        if not isinstance(name, str) or name not in DTYPES:
            raise ValueError(f"it has an array of the type {name}")
        dtype = np.dtype(DTYPES[name])
        at, length = place
        if math.prod(shape) * dtype.itemsize != length:
            raise ValueError(f"it has an array of shape {tuple(shape)} in {length:,} bytes")
        return Stored(tuple(shape), dtype, partial(_load, self.path, at, tuple(shape), dtype))


def _joined(parts: Mapping[str, Any]) -> Stored:
    """An array of more than a gigabyte, which Flax writes in pieces."""
    shape, chunks = (parts.get(key) for key in ("shape", "chunks"))
    if not isinstance(shape, dict) or not isinstance(chunks, dict) or not chunks:
        raise ValueError("it has an array in pieces that are not there")
    whole = tuple(shape.values())
    pieces = list(chunks.values())
    if not all(isinstance(piece, Stored) for piece in pieces) or not all(type(n) is int and n >= 0 for n in whole):
        raise ValueError("it has an array in pieces that are none")
    if sum(math.prod(piece.shape) for piece in pieces) != math.prod(whole):
        raise ValueError(f"it has an array of shape {whole} in pieces of another size")

    def load() -> Array:
        return np.concatenate([piece.load().ravel() for piece in pieces]).reshape(whole)

    return Stored(whole, pieces[0].dtype, load)


def _load(path: Path, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    found: Array = np.fromfile(path, dtype, math.prod(shape), offset=at)
    return found.reshape(shape)

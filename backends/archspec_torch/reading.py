"""Files of `torch.save` read without PyTorch: what they claim is checked against what they hold before it is believed.

Two forms: an archive (zip) whose records are stored as they are, and, before PyTorch 1.6, pickles with the numbers behind
them. Numbers of a tensor are read when they are asked for.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from archspec.backends.stored import Array, Stored

from .formats import LEGACY
from .unpickling import DTYPES, Claimed, DamagedError, Storage, itemsize, load, load_bytes, storage_of

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
PART = 1 << 20  # bytes that a checksum takes at once
LOCAL = 30  # bytes of the header in front of a record, behind which come its name and an extra field

Place = Callable[[Storage], int]
"""Where a storage begins in the file."""


class OtherKindError(Exception):
    """A file of PyTorch's that is no file of weights; says which."""


def read(path: Path) -> tuple[Any, Callable[[Claimed], Stored]]:
    """What was saved, with `Claimed` in the place of tensors, and what makes one of them a tensor of the file.

    Raises DamagedError, CodeError, OtherKindError, BadZipFile and OSError.
    """
    with open(path, "rb") as file:
        old = file.read(len(LEGACY)) == LEGACY
    return _read_old(path) if old else _read_archive(path)


def _read_archive(path: Path) -> tuple[Any, Callable[[Claimed], Stored]]:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: info for info in archive.infolist()}
        pickled = next((name for name in records if name.endswith("/data.pkl")), None)
        if pickled is None:
            raise DamagedError("it has no data.pkl")
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}constants.pkl" in records:
            raise OtherKindError("a TorchScript module, which is code with its weights")
    big = record(path, records.get(f"{folder}byteorder"), size) == b"big"
    data = record(path, records[pickled], size)

    def storage(pid: Any) -> Storage:
        key, kind, count, _ = storage_of(pid)
        info = records.get(f"{folder}data/{key}")
        if pid[3] == "meta":
            return Storage(key, kind, count)
        if info is None:
            raise DamagedError(f"its record data/{key} is missing")
        if stored_size(info, size) != count * itemsize(kind):
            raise DamagedError(
                f"its record data/{key} has {info.file_size:,} bytes, and {count:,} numbers should be in it"
            )
        return Storage(key, kind, count)

    def place(storage: Storage) -> int:
        info = records.get(f"{folder}data/{storage.key}")
        if info is None:
            raise DamagedError("a tensor has no numbers: it is one of the device `meta`")
        return beginning(path, info)

    checked: set[str] = set()

    def check(storage: Storage) -> None:
        """Compare the bytes of a storage with their checksum, once; 0 is that of files which were saved without."""
        info = records[f"{folder}data/{storage.key}"]
        if storage.key not in checked:
            compare_checksum(path, info)
        checked.add(storage.key)

    return load_bytes(data, storage), lambda claimed: tensor_at(path, claimed, place, ">" if big else "<", check)


def beginning(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a record begin. Raises DamagedError."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        head = file.read(LOCAL)
    if len(head) < LOCAL or head[:4] != b"PK\x03\x04":
        raise DamagedError(f"its record {info.filename[-80:]} is not where it should be")
    return (
        info.header_offset + LOCAL + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    )


def compare_checksum(path: Path, info: zipfile.ZipInfo) -> None:
    """Compare the bytes of a record with their checksum; 0 is that of files which were saved without."""
    found, left = 0, info.file_size
    with open(path, "rb") as file:
        file.seek(beginning(path, info))
        while left > 0 and (part := file.read(min(left, PART))):
            found, left = zlib.crc32(part, found), left - len(part)
    if info.CRC not in (0, found):
        raise DamagedError(f"its record {info.filename[-80:]} has another checksum than when it was written")


def stored_size(info: zipfile.ZipInfo, size: int) -> int:
    """The bytes of a record, which lies in the archive as it is. Raises DamagedError."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise DamagedError(f"its record {info.filename[-80:]} is compressed, and `torch.save` compresses nothing")
    if info.header_offset + info.file_size > size:
        raise DamagedError(f"its record {info.filename[-80:]} would have {info.file_size:,} bytes")
    return info.file_size


def record(path: Path, info: zipfile.ZipInfo | None, size: int) -> bytes:
    """The bytes of a record of an archive of so many bytes, none where there is no record. Raises DamagedError."""
    if info is None or not stored_size(info, size):
        return b""
    compare_checksum(path, info)
    with open(path, "rb") as file:
        file.seek(beginning(path, info))
        return file.read(info.file_size)


def _read_old(path: Path) -> tuple[Any, Callable[[Claimed], Stored]]:
    size = path.stat().st_size
    widths: dict[str, int] = {}  # bytes of a number in each storage

    def storage(pid: Any) -> Storage:
        key, kind, count, view = storage_of(pid)
        widths[key] = itemsize(kind)
        if view is None:
            return Storage(key, kind, count)
        if not isinstance(view, tuple) or len(view) != 3 or not all(type(n) is int and n >= 0 for n in view[1:]):
            raise DamagedError("it has a view of a storage that says not of which part")
        if view[1] + view[2] > count:
            raise DamagedError("it has a view of a storage that reaches out of it")
        return Storage(key, kind, view[2], view[1])

    def nothing(pid: Any) -> Storage:
        raise DamagedError("it refers to a storage before its weights begin")

    with open(path, "rb") as file:
        magic, protocol, system = (load(file, size, nothing) for _ in range(3))
        if (magic, protocol) != (MAGIC, PROTOCOL) or not isinstance(system, dict):
            raise DamagedError("its beginning is not that of a PyTorch file")
        if system.get("little_endian") is False:
            raise DamagedError("it was written by a machine of another byte order")
        found = load(file, size, storage)
        keys = load(file, size, nothing)
        begin = file.tell()
        places = _places(file, keys, begin, size, widths)
    return found, lambda claimed: tensor_at(path, claimed, lambda s: _old_place(places, s), "<")


def _places(file: Any, keys: Any, begin: int, size: int, widths: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Where each storage begins, and how many numbers it has."""
    if not isinstance(keys, list):
        raise DamagedError("it does not list its storages")
    places: dict[str, tuple[int, int]] = {}
    at = begin
    for key in map(str, keys):
        file.seek(at)
        count = int.from_bytes(file.read(8), "little")
        at += 8
        if key not in widths or at + count * widths[key] > size:
            raise DamagedError(f"its storage {key[:80]} would have {count:,} numbers" if key in widths else
                               "it has a storage that no tensor is in")  # fmt: skip
        places[key] = at, count
        at += count * widths[key]
    return places


def _old_place(places: dict[str, tuple[int, int]], storage: Storage) -> int:
    at, count = places.get(storage.key, (0, 0))
    if storage.start + storage.count > count:
        raise DamagedError(
            f"its storage {storage.key[:80]} has {count:,} numbers, and {storage.count:,} should be in it"
        )
    return at + storage.start * itemsize(storage.kind)


def tensor_at(
    path: Path, claimed: Claimed, place: Place, order: str, check: Callable[[Storage], None] | None = None
) -> Stored:
    """A tensor that lies in a file at the place of its storage, with numbers that are read when they are asked for."""
    dtype = np.dtype(DTYPES[claimed.kind])
    bits = np.dtype(f"u{dtype.itemsize}")  # which also bfloat16 has, and in both orders of bytes
    begin = place(claimed.storage) + claimed.offset * dtype.itemsize

    def numbers() -> Array:
        if not math.prod(claimed.shape):
            return np.zeros(claimed.shape, dtype)
        count = 1 + sum((size - 1) * step for size, step in zip(claimed.shape, claimed.stride, strict=True))
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < begin + count * dtype.itemsize:
                raise DamagedError("it ends too early")
            if check is not None:
                check(claimed.storage)
            whole: Array = np.fromfile(file, f"{order}u{dtype.itemsize}", count, offset=begin)
        steps = [step * dtype.itemsize for step in claimed.stride]
        view = np.lib.stride_tricks.as_strided(whole, claimed.shape, steps, writeable=False)
        return view.astype(bits, order="C", copy=True).view(dtype)

    return Stored(claimed.shape, dtype, numbers)

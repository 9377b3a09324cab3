"""Pickles of PyTorch read as data: tensors become what the file claims of them, and nothing that it names is imported.

Nothing here imports PyTorch. What a file may name is listed in `ALLOWED`, and stands for itself; a function is none of it
but those that make tensors, of which there are our own.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

DTYPES: dict[str, Any] = {
    "float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "int64": np.int64, "int32": np.int32,
}  # fmt: skip
"""The types of numbers that weights may have; of others it is said which it is."""

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
}  # fmt: skip
SIZES = {"complex128": 16, "complex64": 8, "int16": 2, "qint32": 4}
"""Bytes of the types that weights may not have; of the others it is one."""

ALLOWED = {
    "collections OrderedDict", "collections defaultdict", "collections Counter", "argparse Namespace", "_codecs encode",
    "torch Size", "torch device", "numpy dtype", "numpy.core.multiarray scalar", "numpy._core.multiarray scalar",
    "builtins set", "__builtin__ set", "builtins complex", "copyreg _reconstructor", "copy_reg _reconstructor",
    "torch.serialization _get_layout", "numpy ndarray", "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
}  # fmt: skip
"""What stands in training checkpoints beside weights, and is data."""

TENSORS = {
    "_rebuild_tensor": 4, "_rebuild_tensor_v2": 4, "_rebuild_tensor_v3": 4, "_rebuild_parameter": 1,
    "_rebuild_parameter_with_state": 1,
}  # fmt: skip
"""What makes dense tensors, and how many of its arguments say which."""


INSTRUCTIONS = """
PROTO STOP FRAME MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 LIST EMPTY_LIST APPEND APPENDS EMPTY_DICT EMPTY_SET
GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL BINPERSID
"""
"""Of a pickle's instructions those that `pickle` may follow; the ones that call something are our own, below."""


class CodeError(Exception):
    """A pickle names something that would have to be imported."""


class DamagedError(Exception):
    """A pickle does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers in one stretch of a file."""

    key: str
    kind: str
    count: int
    start: int = 0  # within the stretch, where it is a view of another storage


@dataclass(frozen=True, slots=True)
class Claimed:
    """A dense tensor in a storage, as a file claims it; all of it lies within the storage."""

    storage: Storage
    kind: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a file names: what calling it gives is a value of it, and nothing is run."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Made:
    """A value of something that a file names, such as a sparse tensor or an `argparse.Namespace`."""

    of: Named


class Reader:
    """The bytes of a file, of which no read takes more than there is."""

    def __init__(self, file: Any, size: int) -> None:
        self.file = file
        self.size = size

    def read(self, count: int = -1) -> bytes:
        """So many bytes. Raises DamagedError where they are not there."""
        left = self.size - self.file.tell()
        if not 0 <= count <= left:
            raise DamagedError("it ends too early")
        found: bytes = self.file.read(count)
        return found

    def readline(self) -> bytes:
        """A line, which is a number or a name."""
        found: bytes = self.file.readline(1 << 16)
        return found


class Unpickler(pickle._Unpickler):
    """Reads one pickle; those of its instructions that data does not need are refused."""

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Any]] = {
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]]
        for name in INSTRUCTIONS.split()
    }

    def __init__(self, reader: Reader, storage: Callable[[Any], Storage]) -> None:
        super().__init__(reader, encoding="utf-8")
        self.storage = storage

    def persistent_load(self, pid: Any) -> Storage:
        """A storage, which PyTorch keeps outside of the pickle."""
        return self.storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for. Raises CodeError where it is not for data."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        dense_or_not = module == "torch._utils" and name.startswith("_rebuild_")
        kinds = module in ("torch", "torch.storage") and (name in STORAGES or name in KINDS)
        known = f"{module} {name}" in ALLOWED or (module, name) == ("torch._tensor", "_rebuild_from_type_v2")
        if not (dense_or_not or kinds or known) or "." in name:
            raise CodeError(f"{module}.{name}")
        return Named(module, name)

    def load_reduce(self) -> None:
        """Call what was named: that makes a tensor, or something that is none."""
        arguments = self.stack.pop()
        self.stack[-1] = _made(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """Make a value of what was named."""
        arguments = self.stack.pop()
        self.stack[-1] = _made(self.stack[-1], arguments)

    def load_build(self) -> None:
        """Drop the state of a value: that of an OrderedDict has `_metadata`, and none of the others is looked at."""
        self.stack.pop()

    def load_dict(self) -> None:
        """Make a dictionary."""
        self.stack.append(_entries(self.pop_mark()))

    def load_setitems(self) -> None:
        """Set entries of a dictionary; what is none takes none."""
        items = _entries(self.pop_mark())
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(items)

    def load_setitem(self) -> None:
        """Set one entry."""
        value, key = self.stack.pop(), self.stack.pop()
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_entries([key, value]))

    def load_additems(self) -> None:
        """Drop what a set holds, which is none of the weights."""
        self.pop_mark()

    def load_frozenset(self) -> None:
        """Make an empty set of a set."""
        self.pop_mark()
        self.stack.append(frozenset())

    dispatch |= {
        pickle.REDUCE[0]: load_reduce, pickle.NEWOBJ[0]: load_newobj, pickle.BUILD[0]: load_build, pickle.DICT[0]: load_dict,
        pickle.SETITEMS[0]: load_setitems, pickle.SETITEM[0]: load_setitem, pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
    }  # fmt: skip


def _entries(items: list[Any]) -> dict[Any, Any]:
    """A dictionary of keys and values in turn; with keys that are numbers or text, for hashing a deep tuple has no end."""
    keys, values = items[::2], items[1::2]
    if not all(key is None or isinstance(key, (str, int, float, bytes)) for key in keys):
        raise DamagedError("it has a dictionary with keys that are no names")
    return dict(zip(keys, values, strict=True))


KINDS = {*DTYPES, *STORAGES.values(), *SIZES}

JUNK = (DamagedError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError, OverflowError,
        AssertionError)  # fmt: skip
"""What reading raises of a pickle that is damaged."""


def load(file: Any, size: int, storage: Callable[[Any], Storage]) -> Any:
    """The value of the pickle that begins where a file stands. Raises CodeError and DamagedError."""
    try:
        return Unpickler(Reader(file, size), storage).load()
    except DamagedError:
        raise
    except JUNK as error:
        text = next(iter(str(error).splitlines()), "")[:200]
        raise DamagedError(f"its pickle does not read: {text or type(error).__name__}") from None


def load_bytes(data: bytes, storage: Callable[[Any], Storage]) -> Any:
    """The value of a pickle. Raises CodeError and DamagedError."""
    return load(io.BytesIO(data), len(data), storage)


def storage_of(pid: Any) -> tuple[str, str, int, Any]:
    """The key, the type, the number of elements, and the rest, of a storage that a pickle refers to. Raises DamagedError."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], Named):
        raise DamagedError("it refers to something that is no storage")
    _, kind, key, _, count, *more = pid
    if kind.name not in STORAGES or not isinstance(key, (str, int)) or not _natural(count):
        raise DamagedError(f"it has a storage of a kind that is not known, {kind}")
    return str(key), STORAGES[kind.name], count, more[0] if more else None


def itemsize(kind: str) -> int:
    """Bytes of a number."""
    return np.dtype(DTYPES[kind]).itemsize if kind in DTYPES else SIZES.get(kind, 1)


def _made(named: Any, arguments: Any) -> Any:
    """What calling something that was named gives."""
    if not isinstance(arguments, tuple):
        raise DamagedError("it calls something with no arguments")
    if named is collections.OrderedDict:
        pairs = arguments[0] if arguments else ()
        return collections.OrderedDict(_entries([part for key, value in pairs for part in (key, value)]))
    if not isinstance(named, Named):
        raise DamagedError("it calls something that is no function")
    if named.name == "_rebuild_from_type_v2" and len(arguments) > 3 and isinstance(arguments[2], tuple):
        return _made(arguments[0], arguments[2])  # of a subclass of tensors
    if named.module == "torch._utils" and named.name in TENSORS and len(arguments) >= TENSORS[named.name]:
        return arguments[0] if TENSORS[named.name] == 1 else _claimed(named.name, arguments)
    if (named.module, named.name) == ("collections", "defaultdict"):
        return {}
    return Made(named)


def _claimed(name: str, arguments: tuple[Any, ...]) -> Any:
    storage, offset, shape, stride, *more = arguments
    if isinstance(storage, Made):
        return storage
    if not isinstance(storage, Storage) or not _natural(offset) or not _naturals(shape) or not _naturals(stride):
        raise DamagedError("it has a tensor without a storage, a shape or strides")
    kind, count = storage.kind, storage.count
    if name == "_rebuild_tensor_v3" and len(more) > 2 and isinstance(more[2], Named):
        kind, count = more[2].name, storage.count // itemsize(more[2].name)
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if math.prod(shape) and last >= count:
        raise DamagedError(
            f"it has a tensor of shape {shape} that lies outside of its storage of {count:,} numbers"
        )
    return Claimed(storage, kind, offset, shape, stride)


def _natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**56


def _naturals(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) <= 64 and all(map(_natural, value))


def mapping(value: Any) -> Mapping[str, Any] | None:
    """A mapping with names as keys, where a value is one."""
    return value if isinstance(value, Mapping) and all(isinstance(name, str) for name in value) else None

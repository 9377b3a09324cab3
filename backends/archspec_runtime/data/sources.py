"""Where the bytes of images are: files, or ranges of larger files."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read

Ints = NDArray[np.int64]

# seconds between tries: a network disk that hiccups is waited for, one that is gone is not
PATIENCE = (0.1, 0.4, 1.0, 1.5)
FINAL = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)  # of no use to wait for

LARGEST = 1 << 30  # bytes of an image: as many pixels as Pillow decodes, uncompressed, have half of that


class GoneError(DataError):
    """A file that is not there, or that cannot be read: no matter of what it holds."""


@dataclass(frozen=True, slots=True)
class Names:
    """Many strings in one piece of memory, so that millions of them reach another process in no time."""

    text: bytes
    ends: Ints

    @staticmethod
    def of(names: Iterable[str]) -> Names:
        """Pack strings."""
        encoded = [os.fsencode(name) for name in names]
        return Names(b"".join(encoded), np.cumsum([len(e) for e in encoded], dtype=np.int64))

    def subset(self, indices: Ints) -> Names:
        """The strings at these indices."""
        return Names.of(self[int(index)] for index in indices)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = int(self.ends[index - 1]) if index else 0
        return os.fsdecode(self.text[start : int(self.ends[index])])


class Source(Protocol):
    """The bytes of images by index."""

    @property
    def names(self) -> Names:
        """What each is called below the folder or in the file that it is read from."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What a message calls an image."""

    def read(self, index: int) -> bytes:
        """The bytes of its file. Raises OSError, and DataError for more than an image can have."""


@dataclass(frozen=True, slots=True)
class Files:
    """One file an image."""

    root: Path
    names: Names  # below the root

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Its path."""
        return os.path.join(self.root, self.names[index])

    def read(self, index: int) -> bytes:
        """All of the file."""
        with open(self.name(index), "rb", buffering=0) as file:
            _bounded(self.name(index), os.fstat(file.fileno()).st_size)
            return file.read()


@dataclass(frozen=True, slots=True)
class Ranges:
    """Images one after the other in a few large files: of image `index`, `sizes` bytes from `starts` in file `files`."""

    paths: tuple[Path, ...]
    files: Ints
    starts: Ints
    sizes: Ints
    names: Names

    def __len__(self) -> int:
        return len(self.sizes)

    def name(self, index: int) -> str:
        """The file, and the image's name in it."""
        return f"{self.paths[int(self.files[index])]}:{self.names[index]}"

    def read(self, index: int) -> bytes:
        """Its range of the file."""
        size = int(self.sizes[index])
        _bounded(self.name(index), size)
        with open(self.paths[int(self.files[index])], "rb", buffering=0) as file:
            file.seek(int(self.starts[index]))
            raw = file.read(size)
        if len(raw) != size:
            raise OSError(f"the file ends {size - len(raw):,} bytes early")
        return raw


def checksum(path: Path, kind: str) -> str:
    """The checksum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _bounded(name: str, size: int) -> None:
    if size > LARGEST:
        message = f"{name} cannot be read as an image: it has {size:,} bytes, and an image at most {LARGEST:,}"
        raise DataError(message, "replace or remove the file")


def read_patiently(source: Source, index: int) -> bytes:
    """The bytes of an image; a file that is not there or cannot be read is tried again for three seconds.

    Raises GoneError, and DataError for more bytes than an image can have.
    """
    for pause in PATIENCE:
        try:
            return source.read(index)
        except OSError as error:
            if error.errno in FINAL:
                break
            time.sleep(pause)
    try:
        return source.read(index)
    except OSError as error:
        message = f"{source.name(index)} cannot be read as an image: {error.strerror or error}"
        fix = f"it was tried for {sum(PATIENCE):.0f} seconds: bring it back; a run goes on with --resume"
        if error.errno in FINAL:
            fix = f"{not_read(error)}; a run goes on with --resume"
        raise GoneError(message, fix) from None

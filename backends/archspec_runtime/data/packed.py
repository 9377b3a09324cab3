"""A data set in a few large files: `pack.json`, and for each split its images one after the other with an index.

`SPLIT.bin` holds the encoded images, `SPLIT.index.npy` their starts, sizes and labels (N, 3), `SPLIT.names.txt` what each was
called before. It is read like an image folder, without a file for each image to be found and opened.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from archspec_runtime.console import printable
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.sources import Names, Ranges
from archspec_runtime.data.splits import Raw
from archspec_runtime.data.test_split import set_aside
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.files.os_errors import not_read, not_written
from archspec_runtime.processes.platforms import flush
from archspec_runtime.processes.signals import undone

MANIFEST = "pack.json"
FORMAT = 1
LARGEST_MANIFEST, LONGEST_NAME = 64 << 20, 8192  # bytes
Item = tuple[str, int, bytes]  # a name, a label, an encoded image
AGAIN = "pack it again with `archspec data pack`"


def is_packed(folder: Path) -> bool:
    """Whether a folder is a packed data set."""
    return (folder / MANIFEST).is_file()


def read_packed(folder: Path, channels: int, share: float | None = None) -> Raw:
    """The splits of a packed data set, with a share of train set aside to test on. Raises DataError where it is not whole."""
    try:
        if (size := (folder / MANIFEST).stat().st_size) > LARGEST_MANIFEST:
            raise ValueError(f"{MANIFEST} has {size:,} bytes, and at most {LARGEST_MANIFEST:,}")
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise DataError(f"{folder} has format {manifest['format']}, and this version reads {FORMAT}", AGAIN)
        names = tuple(map(str, manifest["classes"]))
        splits = {name: _split(folder, name, int(size), len(names), channels)
                  for name, size in manifest["bytes"].items()}  # fmt: skip
        if share is not None and len(splits) > 1:
            raise DataError(
                f"{folder} has images to test on, and the recipe sets some of train aside", "leave out `data.test`"
            )
        if share is not None:
            splits["train"], splits["test"] = set_aside(splits["train"], share)
        return Raw.of(splits.pop("train"), splits, names)
    except PermissionError as error:
        raise DataError(f"{error.filename or folder} cannot be read: {error.strerror}", not_read(error)) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder} is not a whole packed data set: {error}", AGAIN) from None


def _split(folder: Path, name: str, size: int, classes: int, channels: int) -> EncodedSplit:
    path, listed, called = (folder / f"{name}.{end}" for end in ("bin", "index.npy", "names.txt"))
    for part in (path, listed, called):
        if not part.is_file():
            raise ValueError(f"{part} is {'no regular file' if part.exists() else 'not there'}")
    index = np.load(listed, mmap_mode="r", allow_pickle=False)  # a shape that the file cannot hold takes no memory
    if called.stat().st_size > LONGEST_NAME * max(1, len(index)):
        raise ValueError(
            f"{called} has {called.stat().st_size:,} bytes, more than the names of {len(index):,} images"
        )
    names = called.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    if path.stat().st_size != size:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes instead of {size:,}")
    if index.dtype != np.int64 or index.shape != (len(names), 3) or not len(index):
        raise ValueError(f"the index of {name} does not fit its names")
    starts, sizes, labels = (np.ascontiguousarray(column) for column in index.T)
    if starts.min() < 0 or sizes.min() < 0 or (starts + sizes).max() > size:
        raise ValueError(f"the index of {name} points beyond its file")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"a label of {name} is not one of {classes} classes")
    source = Ranges((path,), np.zeros(len(index), np.int64), starts, sizes, Names.of(names))
    return EncodedSplit.of(source, labels, channels)


@contextmanager
def written_aside(target: Path, elsewhere: str = "give another name") -> Iterator[Path]:
    """A new folder that gets its name when all of it is there. Raises RunError where the name is taken or the disk full.

    `elsewhere` is how a user has it written to another place.
    """
    if target.exists():
        raise RunError(f"{target} is there already", "give another name, or remove it first", 2)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with undone(lambda: shutil.rmtree(aside, ignore_errors=True)):
            aside.mkdir(parents=True)
            yield aside
            for path in [*aside.iterdir(), aside]:
                flush(path)
            os.rename(aside, target)
    except OSError as error:
        raise RunError(
            f"cannot write {error.filename or target}: {error.strerror or error}", not_written(error, elsewhere)
        ) from None


def write_split(folder: Path, name: str, items: Iterable[Item]) -> int:
    """Write the images of a split; returns how many bytes they have. Raises OSError."""
    rows: list[tuple[int, int, int]] = []
    start = 0
    with (
        open(folder / f"{name}.bin", "wb") as file,
        open(folder / f"{name}.names.txt", "w", encoding="utf-8", errors="surrogateescape", newline="\n") as listed,
    ):
        for called, label, raw in items:
            file.write(raw)
            listed.write(printable(called) + "\n")
            rows.append((start, len(raw), label))
            start += len(raw)
    np.save(folder / f"{name}.index.npy", np.array(rows, np.int64).reshape(-1, 3))
    return start


def write_manifest(folder: Path, classes: tuple[str, ...], sizes: dict[str, int], made: dict[str, Any]) -> None:
    """Write `pack.json`; `made` says how it came to be. Raises OSError."""
    manifest = {"format": FORMAT, "classes": classes, "bytes": sizes, "made": made}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")

"""Reading tars or Parquet files to measure on, where those that a net was trained on are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path

from archspec_runtime.data.remote import is_url
from archspec_runtime.data.splits import Raw
from archspec_runtime.data.test_split import nothing
from archspec_runtime.recipe.images import Data

Shape = tuple[int, int, int]
Read = Callable[[Path | None, Shape, int, Data], Raw]
ReadNamed = Callable[[Path | None, Shape, int, Data, Sequence[str]], Raw]


def tests_alone(read: Read, suffix: str, *places: str) -> ReadNamed:
    """A reader of files with this suffix, which lie in any of these places, that has use for their test images alone, too."""

    def read_named(folder: Path | None, shape: Shape, classes: int, data: Data, names: Sequence[str]) -> Raw:
        pattern = _pattern(data, folder, suffix, places)
        if pattern is None:
            return read(folder, shape, classes, data)
        found = read(folder, shape, classes, replace(data, train=pattern, test=pattern))
        return replace(found, train=nothing(shape))

    return read_named


def _pattern(data: Data, folder: Path | None, suffix: str, places: Sequence[str]) -> str | None:
    """The pattern of the files to measure on, where those that were trained on are not there; else None."""
    if folder is None or not folder.is_dir() or data.test_share is not None:
        return None
    trained = [data.train] if data.train is not None else [f"{place}train*.{suffix}" for place in places]
    if any(is_url(pattern) or "{" in pattern or glob(pattern, root_dir=folder) for pattern in trained):
        return None
    if data.test is not None:
        return data.test
    held = [f"{place}{name}*.{suffix}" for name in ("test", "val") for place in places]
    return next((pattern for pattern in held if glob(pattern, root_dir=folder)), None)

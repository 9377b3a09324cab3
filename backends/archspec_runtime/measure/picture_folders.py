"""The pictures in a folder, and in the folders in it, which a net is asked about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from archspec_runtime.data.suffixes import SUFFIXES, is_image, passed_over
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read

Found = tuple[Path, DataError | None]
"""Where a picture is, and why it cannot be looked for there."""


def pictures_of(folder: Path) -> list[Found]:
    """The pictures of a folder, or the folder itself and that there are none."""
    found = list(_below(folder, set()))
    if found:
        return found
    endings = ", ".join(sorted(SUFFIXES))
    return [(folder, DataError(f"{folder} holds no pictures", f"their names end in {endings}"))]


def _below(folder: Path, seen: set[str]) -> Iterator[Found]:
    """The pictures in a folder and below it; one that a link leads to again is looked at once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        fault = DataError(f"{folder} cannot be read: {error.strerror}", not_read(error))
        yield folder, fault
        return
    for path in inside:
        if passed_over(path.name):
            continue
        if path.is_dir():
            yield from _below(path, seen)
        elif is_image(path.name):
            yield path, None

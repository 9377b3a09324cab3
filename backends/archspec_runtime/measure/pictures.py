"""Pictures that a net is asked about: files, folders of them, standard input, and images in memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from archspec_runtime.data.suffixes import SUFFIXES, is_image, passed_over
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read
from archspec_runtime.images.pillow import read_image, upright

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, which has not been read: a path, `-` for standard input, or the bytes of a file or an image of Pillow's.

    `fault` is why there is no such picture.
    """

    name: str
    source: Any
    fault: DataError | None = None

    def image(self, channels: int) -> Image.Image:
        """All of it, upright, in 1 or 3 channels, as training reads it. Raises DataError."""
        if self.fault is not None:
            raise self.fault
        if isinstance(self.source, Image.Image):
            try:
                return upright(self.source, channels)
            except (ValueError, OSError) as error:
                raise DataError(f"{self.name} cannot be used: {error}") from None
        return read_image(self._bytes(), self.name, channels)

    def _bytes(self) -> bytes:
        if isinstance(self.source, bytes):
            return self.source
        try:
            if self.source == STANDARD_INPUT:
                return sys.stdin.buffer.read()
            return Path(self.source).read_bytes()
        except OSError as error:
            raise DataError(f"{self.name} cannot be read: {error.strerror}", not_read(error)) from None


def pictures(given: Iterable[Any]) -> list[Picture]:
    """The pictures of what was given, in its order; those of a folder, and of the folders in it, by name.

    Hidden files and those that systems leave behind are no pictures. Raises DataError where standard input is given twice.
    """
    found: list[Picture] = []
    for source in given:
        if isinstance(source, (bytes, Image.Image)):
            name = getattr(source, "filename", "") or f"picture {len(found) + 1}"
            found.append(Picture(str(name), source))
        elif os.fspath(source) == STANDARD_INPUT:
            if any(isinstance(picture.source, str) and picture.source == STANDARD_INPUT for picture in found):
                raise DataError("standard input holds one picture, and - is given twice", "give - once", 2)
            found.append(Picture(STANDARD_INPUT, STANDARD_INPUT))
        elif os.path.isdir(source):
            found += _of_folder(Path(source))
        else:
            found.append(Picture(os.fspath(source), Path(source)))
    return found


def _of_folder(folder: Path) -> list[Picture]:
    found = list(_below(folder, set()))
    if found:
        return found
    endings = ", ".join(sorted(SUFFIXES))
    return [Picture(str(folder), folder, DataError(f"{folder} holds no pictures", f"their names end in {endings}"))]


def _below(folder: Path, seen: set[str]) -> Iterator[Picture]:
    """The pictures in a folder and below it; one that a link leads to again is looked at once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        fault = DataError(f"{folder} cannot be read: {error.strerror}", not_read(error))
        yield Picture(str(folder), folder, fault)
        return
    for path in inside:
        if passed_over(path.name):
            continue
        if path.is_dir():
            yield from _below(path, seen)
        elif is_image(path.name):
            yield Picture(str(path), path)

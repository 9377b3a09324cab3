"""Scanning folders: their classes and images by the rule of `membership`, and what is left out."""

from __future__ import annotations

import os
from pathlib import Path

from archspec_runtime.data import membership, suffixes
from archspec_runtime.data.membership import LeftOut
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import entries, not_read, special


def has_folder(folder: Path, name: str) -> bool:
    """Whether there is a folder of this name. Raises DataError where that may not be known."""
    return any(entry.name == name and _is_folder(entry) for entry in entries(folder))


def class_folders(split: Path, left_out: LeftOut) -> list[str]:
    """The names of the folders of a split that are classes, in sorted order."""
    found = []
    for entry in entries(split):
        if why := suffixes.passed_over(entry.name):
            left_out.add(entry.path, why)
        elif _is_folder(entry):
            found.append(entry.name)
        else:
            _leave(entry, left_out, membership.STRAY)
    return found


def images(folder: Path, left_out: LeftOut) -> list[str]:
    """The names of the images in the folder of a class, in sorted order."""
    found = []
    for entry in entries(folder):
        if why := suffixes.passed_over(entry.name):
            left_out.add(entry.path, why)
        elif _is_folder(entry):
            inside, all_read = _images_below(entry.path)
            doubtful = inside > 0 or not all_read or suffixes.is_image(entry.name)
            left_out.add(entry.path, membership.NESTED, doubtful=doubtful, images=inside)
        elif suffixes.suffix(entry.name) not in suffixes.SUFFIXES:
            _leave(entry, left_out, membership.OTHER_SUFFIX)
        elif (kind := _special(entry)) is not None:
            left_out.add(entry.path, f"{membership.SPECIAL}: {kind}", doubtful=True)
        else:
            found.append(entry.name)
    return found


def _leave(entry: os.DirEntry[str], left_out: LeftOut, why: str) -> None:
    left_out.add(entry.path, why, doubtful=suffixes.is_image(entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link through a folder that may not be read, or one in a circle
        if suffixes.is_image(entry.name):
            return False  # read as an image, it is named
        raise DataError(f"{entry.path} cannot be read: {error.strerror}", not_read(error)) from None


def _special(entry: os.DirEntry[str]) -> str | None:
    """What an entry is that is no regular file. A link that leads nowhere is a missing image, which is named when it is read."""
    try:
        return None if entry.is_file() else special(entry.stat().st_mode)
    except OSError:
        return None


def _images_below(folder: str) -> tuple[int, bool]:
    """How many images lie below a folder, and whether all of it could be read."""
    unread = list[OSError]()
    count = sum(suffixes.is_image(name) for _, _, names in os.walk(folder, onerror=unread.append) for name in names)
    return count, not unread

"""What the system refuses, and what helps: a permission, a full disk, a path that is not there, or leads to no file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from archspec_runtime.errors import DataError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DENIED = (errno.EACCES, errno.EPERM)


def file_around(path: Path) -> Path | None:
    """What is a file of the folders that a path is to be in; None where nothing is."""
    return next((one for one in path.parents if one.exists() and not one.is_dir()), None)


def not_read(error: OSError) -> str:
    """What helps where something cannot be read."""
    if error.errno in DENIED:
        return "this user may not read it: chmod -R u+rX on it and its folders, or run as its owner"
    if error.errno == errno.ENOENT:
        return "check the path"
    return "check the path and its disk"


def not_written(error: OSError, elsewhere: str = "give another --out") -> str:
    """What helps where something cannot be written; `elsewhere` is how a user has it written to another place."""
    if error.errno in FULL:
        return f"free some space, or {elsewhere}"
    if error.errno in DENIED:
        return f"this user may not write there: ask for the permission, or {elsewhere}"
    if error.errno == errno.EROFS:
        return f"the disk can only be read: {elsewhere}"
    return f"check the path and its disk, or {elsewhere}"


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name. Raises DataError where it may not be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}", not_read(error)) from None


def regular(path: Path, what: str) -> Path:
    """A path that leads to a regular file. Raises DataError for a pipe, a device or a folder, and for what is not there."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", not_read(error)) from None
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is {_kind(mode)}, not {what}", "give a file")
    return path


def special(mode: int) -> str | None:
    """What a mode of `stat` is of that is neither a regular file nor a folder: `a pipe (FIFO)`; None for those."""
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else _kind(mode)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
        stat.S_IFDIR: "a folder",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "no regular file")

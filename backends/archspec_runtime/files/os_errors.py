"""What helps against what the system refused: a permission, a full disk, a path that is not there."""

from __future__ import annotations

import errno
from pathlib import Path

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

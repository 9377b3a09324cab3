"""The releases of packages as numbers that can be compared."""

from __future__ import annotations

import re


def release(text: str) -> tuple[int, ...]:
    """The release of a version as numbers, without what follows it (`2.13.0+cpu`, `3.0rc1`)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found.group().split("."))) if found else ()


def is_recent(installed: str, needed: str) -> bool:
    """Whether a version is this release or a newer one."""
    return release(installed) >= release(needed)

"""Errors that come of too little memory, which frameworks raise in words of their own, and the limit that is set."""

from __future__ import annotations

try:
    import resource  # early: once memory has run out, no library is loaded any more
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

SIGNS = ("failed to map segment", "cannot allocate memory", "unable to allocate", "can't start new thread")
"""What the loader of libraries, NumPy and Python say, in lower case."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that there is too little memory."""
    while error is not None:
        if (
            isinstance(error, SystemError) and address_space() is not None
        ):  # of CPython, which had no room for its MemoryError
            return True
        if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def remedy() -> str:
    """What helps, with the limit of address space where one is set."""
    if (limit := address_space()) is None:
        return "free some memory, or take a machine with more"
    return f"raise the limit of memory: `ulimit -v` is {limit // 1024}, which is {limit / 2**20:,.0f} MiB"


def address_space() -> int | None:
    """The limit of address space of this process in bytes; None where there is none."""
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit

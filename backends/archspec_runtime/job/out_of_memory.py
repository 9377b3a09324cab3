"""Out of memory: which errors say so, and what is said of them.

How much a step needs, and what needs less, `remedies` tells where it is there.
"""

from __future__ import annotations

from typing import Any

from archspec_runtime.errors import SMALLER, RunError
from archspec_runtime.job.job import Job, Options
from archspec_runtime.parts import extra

try:
    import resource  # early: once memory has run out, no library is loaded any more
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

SIGNS = ("failed to map segment", "cannot allocate memory", "unable to allocate", "can't start new thread")
"""What the loader of libraries, NumPy and Python say, in lower case."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that there is too little memory."""
    while error is not None:
        # of CPython, which had no room for its MemoryError
        if isinstance(error, SystemError) and address_space() is not None:
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


def while_training(job: Job, devices: int = 1, framework: str = "torch", *, sharded: bool = False) -> RunError:
    """The batch, and what needs less."""
    if remedies is not None:
        found: RunError = remedies.while_training(job, devices, framework, sharded=sharded)
        return found
    return RunError(f"out of memory with a batch of {job.recipe.batch_size}", SMALLER)


def anywhere(job: Job, options: Options, framework: str) -> RunError:
    """Where memory ran out besides a step."""
    if remedies is not None:
        found: RunError = remedies.anywhere(job, options, framework)
        return found
    return RunError("out of memory", f"{SMALLER}, or {remedy()}")


def while_measuring(images: int) -> RunError:
    """So many images at once, of which a net in evaluation keeps nothing."""
    instead = "measure with `--device cpu` or on a device with more memory, or make input.size smaller"
    return RunError(f"out of memory while {images} images were measured at once", instead)


def measured_in_halves(before: int, now: int) -> str:
    """What is said where fewer images are measured at once than memory was thought to suffice for."""
    return f"out of memory while {before} images were measured at once: from here on {now} are"


remedies: Any = extra("archspec_runtime.job.remedies")  # early: once memory has run out, nothing is loaded any more

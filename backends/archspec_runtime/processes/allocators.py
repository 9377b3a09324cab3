"""What the C library does with the memory that a step frees, and how much of a GPU's is taken at once."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # M_TRIM_THRESHOLD, ... of glibc's malloc.h
LARGEST = 2**31 - 1


def keep_freed() -> None:
    """Have what one step on a CPU frees lie ready for the next, in large pages; to be called before the first tensor.

    glibc gives large arrays back to the system as they are freed and asks for new ones, and the system clears each page
    of them: at megabytes an activation that is a fifth of a step of ResNet-20. Nothing happens with another C library.
    """
    _set(MMAP_THRESHOLD, LARGEST)
    _set(TRIM_THRESHOLD, LARGEST)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch asks for large pages


def taken() -> int | None:
    """The most bytes that this process had at once; None where the system does not say, as on Windows."""
    try:
        import resource
    except ImportError:
        return None
    with suppress(
        OSError
    ):  # Linux counts what the process had before it became this program, unless it is asked so
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def share_heap() -> None:
    """Have threads that start from now on take memory from the heap of the first, the only one that `keep_freed` is about.

    glibc gives each thread a heap of its own, and arrays of more than 64 MB in it are always given back. XLA computes in
    threads of its own.
    """
    _set(ARENA_MAX, 1)


def share_gpu() -> None:
    """Have JAX take a GPU's memory as it needs it, unless somebody said otherwise; to be called before it looks for devices.

    By itself it takes three quarters of each GPU at once, and leaves whatever else runs there the rest.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _set(option: int, value: int) -> None:
    """Nothing, where the C library is another one."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        mallopt(option, value)

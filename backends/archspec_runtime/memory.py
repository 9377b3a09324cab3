"""What the C library does with the memory that a step frees."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
LARGEST = 2**31 - 1


def keep_freed() -> None:
    """Have what one step on a CPU frees lie ready for the next, in large pages; to be called before the first tensor.

    glibc gives large arrays back to the system as they are freed and asks for new ones, and the system clears each page
    of them: at megabytes an activation that is a fifth of a step of ResNet-20. Nothing happens with another C library.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, LARGEST)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch asks for large pages

"""What Linux, macOS and Windows do each in their own way: whether a process lives, and when a file is on the disk."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

WINDOWS = sys.platform == "win32"
QUERY, STILL_ACTIVE, DENIED = 0x1000, 259, 5  # PROCESS_QUERY_LIMITED_INFORMATION, and what Windows answers


def lives(pid: int) -> bool:
    """Whether there is a process of this number. Raises OverflowError where it is the number of none."""
    if WINDOWS:
        return _lives_on_windows(pid)
    if pid <= 0:  # which `kill` takes for groups of processes
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True


def _lives_on_windows(pid: int) -> bool:
    """By its handle: there `os.kill(pid, 0)` sends Ctrl-C."""
    import ctypes

    system = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    system.OpenProcess.restype = ctypes.c_void_p
    handle = system.OpenProcess(QUERY, False, pid)
    if not handle:
        return bool(ctypes.get_last_error() == DENIED)  # type: ignore[attr-defined, unused-ignore]
    code = ctypes.c_ulong()
    try:
        system.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    finally:
        system.CloseHandle(ctypes.c_void_p(handle))
    return code.value == STILL_ACTIVE


def flush(path: Path) -> None:
    """Have a file, or what a folder lists, written to the disk. Raises OSError.

    Windows flushes what may be written to, and no folders; macOS keeps what `fsync` was told in the disk's own memory.
    """
    if WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if WINDOWS else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            try:
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            except OSError:  # a file system that has no such thing
                os.fsync(descriptor)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ask_to_end(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process, which Windows can only end."""
    if WINDOWS:
        process.terminate()
    else:
        process.send_signal(number)


def busy() -> str | None:
    """What is said where other processes keep the cores busy, so that several threads wait for each other; None elsewhere."""
    if not hasattr(os, "getloadavg") or cores() < 2 or "OMP_NUM_THREADS" in os.environ:
        return None
    load = os.getloadavg()[0]  # of the last minute
    if load < 1.5 * cores():
        return None
    return f"this machine is busy (a load of {load:.0f} on {cores()} cores): --threads 1 may be much faster"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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

"""The memory that a run took at its peak, in its record and on its last line, beside what was expected."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from archspec_runtime.console import say, warn
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job
from archspec_runtime.job.memory import bytes_as_text, memory, on_cpu
from archspec_runtime.record.folder import read_run, write_json


def report(
    folder: Path, peak: int, job: Job, device: str, framework: str, devices: int, *, sharded: bool, ended: bool
) -> None:
    """Keep the peak, in bytes, and say it where the run has ended."""
    needed = memory(job, devices, framework, sharded=sharded)
    expected = on_cpu(needed, framework) if device == "cpu" else needed.total
    keep_memory(folder, peak, expected)
    if ended:
        on = "on the CPU, the whole process" if device == "cpu" else f"on {device}"
        say(f"memory {on}: took {bytes_as_text(peak)} at its peak; about {bytes_as_text(expected)} was expected")


def keep_memory(folder: Path, peak: int, expected: int) -> None:
    """Add to a run's record what memory its first process took, where it was resumed the most of all its processes.

    The run is over, and lacks nothing where this is not written.
    """
    try:
        run = read_run(folder)
        before = run.get("memory")
        most = (
            max(peak, before["peak"]) if isinstance(before, dict) and isinstance(before.get("peak"), int) else peak
        )
        write_json(folder / "run.json", {**run, "memory": {"peak": most, "expected": expected}})
    except RunError as error:
        warn(str(error))


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

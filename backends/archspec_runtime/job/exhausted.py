"""What is said where memory runs out. How much a step needs, and what needs less, `remedies` tells where it is there."""

from __future__ import annotations

from typing import Any

from archspec_runtime.errors import SMALLER, RunError
from archspec_runtime.job.job import Job, Options
from archspec_runtime.parts import extra
from archspec_runtime.processes.out_of_memory import remedy

remedies: Any = extra("archspec_runtime.job.remedies")  # early: once memory has run out, nothing is loaded any more


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

"""How much memory a step needs, and what needs less: said where it runs out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from archspec_runtime.errors import SMALLER, RunError
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.job.memory import bytes_as_text, memory
from archspec_runtime.job.out_of_memory import address_space, remedy


def while_training(job: Job, devices: int = 1, framework: str = "torch", *, sharded: bool = False) -> RunError:
    """The batch, the estimate for each of the devices that share it, and how many parts would fit into half of that."""
    recipe = job.recipe
    needed = partial(memory, devices=devices, framework=framework, sharded=sharded)
    shared = f" on {devices} devices" if devices > 1 else ""
    split = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
    needs = f"a step needs about {needed(job).as_text()}"
    less = [SMALLER]
    if (parts := _more_parts(job, devices)) is not None:
        then = bytes_as_text(needed(replace(job, recipe=replace(recipe, accumulate=parts))).total)
        less.insert(0, f"split each batch (`accumulate: {parts}`, about {then})")
    if recipe.precision in ("fp32", "fp64"):
        less.append("train in bf16 (`precision: bf16`)")
    instead = ", ".join(less[:-1]) + (", or " if less[1:] else "") + less[-1]
    return RunError(f"out of memory with a batch of {recipe.batch_size}{split}{shared}: {needs}", instead)


def anywhere(job: Job, options: Options, framework: str) -> RunError:
    """What a step needs, and the limit, which libraries alone may reach."""
    with suppress(RunError):
        job = effective(job, options)
    needs = memory(job, framework=framework)
    limit = address_space()
    message = f"out of memory: a step needs about {needs.as_text()}, and libraries take more beside it"
    if limit is None or needs.total > limit / 4:
        return RunError(message, f"{SMALLER}, or {remedy()}")
    return RunError(message, remedy())


def _more_parts(job: Job, devices: int) -> int | None:
    """The fewest parts, at least twice as many as now, that a batch can be split into on so many devices."""
    size, now = job.recipe.batch_size, job.recipe.accumulate
    return next((n for n in range(2 * now, size + 1) if size % n == 0 and size // n % devices == 0), None)

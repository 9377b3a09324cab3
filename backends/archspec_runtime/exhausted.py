"""What is said where memory runs out: how much a step needs, and what needs less."""

from __future__ import annotations

from dataclasses import replace

from .errors import RunError
from .estimates import bytes_as_text, memory
from .job import Job


def while_training(job: Job, devices: int = 1) -> RunError:
    """The batch, the estimate for each of the devices that share it, and how many parts would fit into half of that."""
    recipe = job.recipe
    shared = f" on {devices} devices" if devices > 1 else ""
    split = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
    needs = f"a step needs about {memory(job, devices).as_text()}"
    less = ["make batch_size or input.size smaller"]
    if (parts := _more_parts(job, devices)) is not None:
        then = bytes_as_text(memory(replace(job, recipe=replace(recipe, accumulate=parts)), devices).total)
        less.insert(0, f"split each batch (`accumulate: {parts}`, about {then})")
    if recipe.precision in ("fp32", "fp64"):
        less.append("train in bf16 (`precision: bf16`)")
    remedy = ", ".join(less[:-1]) + (", or " if less[1:] else "") + less[-1]
    return RunError(f"out of memory with a batch of {recipe.batch_size}{split}{shared}: {needs}", remedy)


def while_measuring(images: int) -> RunError:
    """So many images at once, of which a net in evaluation keeps nothing."""
    remedy = "measure with `--device cpu` or on a device with more memory, or make input.size smaller"
    return RunError(f"out of memory while {images} images were measured at once", remedy)


def _more_parts(job: Job, devices: int) -> int | None:
    """The fewest parts, at least twice as many as now, that a batch can be split into on so many devices."""
    size, now = job.recipe.batch_size, job.recipe.accumulate
    return next((n for n in range(2 * now, size + 1) if size % n == 0 and size // n % devices == 0), None)

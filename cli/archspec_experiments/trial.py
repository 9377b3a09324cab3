"""What a run is told, tried without the framework that would run it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from archspec import Program
from archspec.analysis.accelerators import Accelerator, accelerator
from archspec.analysis.roofline import as_lines
from archspec.backends import Trainer, check_supported
from archspec.emission.folder import job_fields
from archspec_runtime.console import tell
from archspec_runtime.job.job import Job, Options
from archspec_runtime.job.memory import bytes_as_text, memory
from archspec_runtime.processes.world import world_of
from archspec_runtime.record.folder import check_room
from archspec_runtime.run.dry_run import devices_of, dry_run
from archspec_runtime.run.preflight import check_options, ready

ALL = ("compile", "shard", "devices")


def check_before(net: Program, backend: Trainer, options: Options) -> None:
    """Raise RunError for an option that could have no effect, and SpecError where the backend lacks an operation."""
    check_supported(net, backend)
    check_options(options, _has(backend), world_of(os.environ))


def check_run(net: Program, backend: Trainer, options: Options) -> None:
    """Raise what a run refuses before it loads a framework: images that are not there or not those of the net, a taken folder."""
    check_before(net, backend, options)
    ready(Job.from_dict(job_fields(net)), options, _has(backend), world_of(os.environ))
    check_room(options.out or Path("run"), resume=options.resume, force=options.force)


def try_out(net: Program, backend: Trainer, options: Options, on: str | None = None) -> int:
    """Print how the run would go, and how fast at most `on` an accelerator; returns the exit code.

    Raises as the run would, as far as no framework is needed, and AcceleratorError.
    """
    check_before(net, backend, options)
    world, job = world_of(os.environ), Job.from_dict(job_fields(net))
    lines = [] if on is None else [*_on(net, job, backend, options, devices_of(options, world), accelerator(on))]
    dry_run(job, options, _has(backend), world, backend.name, for_cpu=on is None)
    if world.leads:
        tell(*(f"  {line}" for line in lines))
    return 0


def _on(net: Program, job: Job, backend: Trainer, options: Options, devices: int, on: Accelerator) -> Iterator[str]:
    """What a step needs of an accelerator's memory, and how fast it can be there."""
    needed = memory(job, devices, backend.name, sharded=options.shard).total
    fits = "" if needed <= on.memory else ": more than it has"
    yield f"of the {bytes_as_text(int(on.memory))} of an {on.name} a step takes about {bytes_as_text(needed)}{fits}"
    yield from as_lines(net, on, devices)


def _has(backend: Trainer) -> Collection[str]:
    """The options of training that a backend has and others may lack."""
    has: Collection[str] = getattr(backend, "options", ALL)
    return has

"""Logging of a run to other libraries, which few runs ask for: what does it is no part of a folder that is built."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.job.job import Job, Options
from archspec_runtime.parts import part
from archspec_runtime.processes.world import World


def logging() -> Any:
    """The module that opens loggers. Raises RunError where a folder does not carry it."""
    return part("loggers.opening", "what --log needs")


def opened(options: Options, folder: Path, job: Job, world: World, held: ExitStack) -> Any:
    """The loggers of a run, in the process that writes for all, until the end of what is `held`; None without any."""
    if not world.leads:
        return None
    if not options.log:
        if options.resume and (folder / "loggers.json").is_file():
            warn("the run was logged elsewhere as well, which gets no more of it; --log goes on with it")
        return None
    made = logging().Loggers(options.log, folder, job, resumed=options.resume, repeats=options.override)
    return held.enter_context(made)

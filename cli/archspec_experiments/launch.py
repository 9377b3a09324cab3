"""Starting a sweep where it was asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from archspec_experiments.local import Local
from archspec_experiments.on_ray import OnRay, connected
from archspec_experiments.plan import Planned, Request
from archspec_experiments.slurm import script
from archspec_experiments.sweep import prepare, run_sweep, task_of
from archspec_runtime.console import tell
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.processes.signals import written_whole

SCRIPT = "sweep.sbatch"


def check_launch(where: str, jobs: int, gpus: float) -> None:
    """Raise RunError for an option that has no effect there."""
    if gpus and where != "ray":
        instead = (
            "set --gres in the script that is written" if where == "slurm" else "--device says what each run takes"
        )
        raise RunError("--gpus is of --launcher ray", f"leave it out; {instead}", 2)
    if jobs > 1 and where == "ray":
        raise RunError("--jobs has no effect with --launcher ray, which runs as many at a time as the cluster has room for",
                       "leave it out; --threads and --gpus say what each run takes", 2)  # fmt: skip


def launch(where: str, out: Path, planned: Sequence[Planned], request: Request, jobs: int, gpus: float) -> int:
    """Run a sweep on this machine (`local`) or on a Ray cluster (`ray`), or write its script (`slurm`).

    Returns the exit code. Raises RunError.
    """
    cores = int(request.options.get("threads", 0)) or max(1, (os.cpu_count() or 1) // jobs)
    if "threads" not in request.options and (jobs > 1 or where != "local"):
        cores = cores if where == "local" else 1
        request = replace(request, options={**request.options, "threads": str(cores)})
    if where == "ray":
        with connected() as ray:  # before anything is written or said to start
            return run_sweep(out, planned, request, OnRay(ray, cores, gpus))
    if where == "local":
        return run_sweep(out, planned, request, Local(jobs))
    prepare(out, planned, request)
    path = out / SCRIPT
    try:
        with written_whole(path) as aside:
            aside.write_text(
                script(out, [task_of(out, p, request) for p in planned], cores, jobs if jobs > 1 else None), "utf-8"
            )
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}", not_written(error)) from None
    tell(f"{path}: {len(planned):,} runs; submit it with `sbatch {path}`")
    return 0

"""`archspec sweep`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import Backend, Include, Preset, Set, pairs, report
from archspec_cli.console import fail, fail_with, tell
from archspec_cli.training_options import CheckpointEvery, Compile, Compiled, EvalEvery, Log, Threads, Workers


class Where(StrEnum):
    """Where runs are made."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


def sweep(
    specs: Annotated[
        list[str],
        typer.Argument(help="Spec files, zoo names such as cifar_resnet, or NAME:PRESET.", show_default=False),
    ],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=V,V", help="Try these values of an argument or a dotted key; can be repeated."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Train each with this many seeds, from 0, instead of the recipe's."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The sweep's folder, which has one folder a run.")
    ] = Path("runs/sweep"),
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; the CPU's cores are divided among them.")] = 1,
    launcher: Annotated[
        Where, typer.Option(help="This machine; a Ray cluster; or write a SLURM array script to OUT/sweep.sbatch.")
    ] = Where.local,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of the Ray cluster for each run.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the grid, and end.")] = False,
    backend: Backend = "torch",
    data: Annotated[Path | None, typer.Option(help="The folder or archive of the images.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Start each run from these weights: whatever `archspec convert` reads.", show_default=False
        ),
    ] = None,
    fresh: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="With --weights: reinitialize this module, such as fc."),
    ] = None,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    steps: Annotated[int | None, typer.Option(min=1, help="End after this many steps.")] = None,
    scale_schedule: Annotated[
        bool, typer.Option("--scale-schedule", help="With --steps: scale each recipe's schedule to that length.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")] = "auto",
    compile: Compiled = Compile.auto,
    checkpoint_every: CheckpointEvery = None,
    eval_every: EvalEvery = None,
    log: Log = None,
    threads: Threads = None,
    workers: Workers = None,
) -> None:
    """Train every combination of values and seeds; called again, it keeps what is finished and goes on with the rest.

    Exits with 1 if a run failed; the others still run.

    Example: archspec sweep cifar_resnet --over n=3,5,7,9 --over shortcut=none,zero_pad --seeds 3 --data ~/cifar-10
    """
    import archspec
    from archspec_experiments.grid import GridError, make_grid, parse_over
    from archspec_experiments.launch import check_launch, launch
    from archspec_experiments.plan import Request, grid_lines, make_plan, warnings
    from archspec_experiments.sweep import check_same
    from archspec_runtime.errors import RunError
    from archspec_runtime.job.job import parse_every

    given = {
        "device": device, "compile": str(compile), "checkpoint-every": checkpoint_every,
        "eval-every": eval_every, "threads": threads, "workers": workers,
    }  # fmt: skip
    request = Request(
        backend=backend, sets=pairs(sets), preset=preset, include=tuple(include or ()), steps=steps,
        scale_schedule=scale_schedule, data=data, weights=weights, fresh=tuple(fresh or ()),
        loggers=tuple(log or ()),
        options={name: str(value) for name, value in given.items() if value is not None},
    )  # fmt: skip
    try:
        if eval_every is not None:
            parse_every(eval_every)
        check_launch(str(launcher), jobs, gpus)
        planned = make_plan(make_grid(specs, parse_over(over or []), seeds), request)
        if found := warnings(planned):
            report(found)
        if dry_run:
            tell(*grid_lines(planned))
            check_same(out, planned)
            return
        code = launch(str(launcher), out, planned, request, jobs, gpus)
    except GridError as error:
        fail(str(error), error.help)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except (RunError, archspec.WeightsError) as error:
        fail_with(error)
    raise typer.Exit(code)

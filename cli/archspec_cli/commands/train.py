"""`archspec train`."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec_cli.common import Backend, Include, Preset, Set, SpecIfAny, load, report
from archspec_cli.console import fail, fail_with, say
from archspec_cli.own_spec import means_run, run_of, spec_of_folder
from archspec_cli.training_options import CheckpointEvery, Compile, Compiled, EvalEvery, Log, Threads, Workers


def train(
    context: typer.Context,
    spec: SpecIfAny = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Run the train.py of this folder as it stands, edited or not, instead of one that is made of a spec.",
            show_default=False,
        ),
    ] = None,
    backend: Backend = "torch",
    data: Annotated[
        Path | None, typer.Option(help="The folder or archive of the images; the digits need none.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Start from these weights: whatever `archspec convert` reads.", show_default=False),
    ] = None,
    fresh: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="With --weights: reinitialize this module, such as fc."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run's folder (default: runs/NAME).")] = None,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="End after this many steps instead of the recipe's.")
    ] = None,
    scale_schedule: Annotated[
        bool,
        typer.Option(
            "--scale-schedule",
            help="With --steps: scale phases, warm-up and whatever happens at a step to that length.",
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the newest complete checkpoint, bit for bit.")
    ] = False,
    override: Annotated[
        bool,
        typer.Option(
            "--override",
            help="With --resume: resume although the recipe, the images or the class names have changed. "
            "A model.py that was edited is replaced by the spec's, and kept as model.before.py.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the recipe, the schedule, and estimates of memory and time, or what a run refuses, and end.",
        ),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ACCELERATOR",
            help="With --dry-run: the fastest that a step can be on an H200, A100 or v5e, and what limits it.",
        ),
    ] = None,
    compile: Compiled = Compile.auto,
    checkpoint_every: CheckpointEvery = None,
    eval_every: EvalEvery = None,
    log: Log = None,
    threads: Threads = None,
    workers: Workers = None,
    nproc: Annotated[
        int | None,
        typer.Option(min=1, help="Processes on this machine that share the run, one a GPU; torchrun does as well."),
    ] = None,
    max_restarts: Annotated[
        int,
        typer.Option(
            min=0, help="How often --nproc restarts all processes, from the last checkpoint, if one dies."
        ),
    ] = 0,
    timeout: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds that a process waits for the others before it gives up (default: 600)."),
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Devices that one process spreads a batch over (Flax; for PyTorch: --nproc).")
    ] = 1,
    shard: Annotated[
        bool, typer.Option("--shard", help="Split parameters and optimizer over the processes (PyTorch: FSDP2).")
    ] = False,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic", help="Compute the same bits each time on a GPU as well, which takes longer."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a run or a folder that holds something else.")
    ] = False,
) -> None:
    """Train a net by its recipe: emit its source into the run's folder, import that, and run it.

    Examples: archspec train cifar_resnet:plain20 --data ~/cifar10 · archspec train my.yaml --dry-run ·
    archspec train runs/plain20 --resume
    """
    if folder is not None:
        from archspec_cli.own_trainer import run_trainer

        raise typer.Exit(run_trainer(context, folder))
    spec = spec if spec is not None else spec_of_folder()
    import archspec
    from archspec.analysis.accelerators import AcceleratorError
    from archspec.analysis.checks.normalization import check_shares
    from archspec.analysis.untrained import why_untrained
    from archspec.api import read_weights
    from archspec.backends import find_trainer
    from archspec_experiments.overrides import check_given_once
    from archspec_experiments.trial import check_before, check_run, try_out
    from archspec_runtime.errors import RunError
    from archspec_runtime.job.job import Options, parse_every
    from archspec_runtime.processes.distributed import launched
    from archspec_runtime.processes.world import world_of

    if resume and means_run(spec):
        try:
            run = run_of(Path(spec))
        except RunError as error:
            fail_with(error)
        if run.edited:
            from archspec_cli.own_trainer import run_trainer

            raise typer.Exit(run_trainer(context, Path(spec, "code"), out=out or Path(spec)))
        out = out or Path(spec)
        spec, data = run.spec, data or run.data
        source = context.get_parameter_source("backend")
        if source is not None and source.name == "DEFAULT":
            backend = run.backend
    starts = (
        nproc is not None and not dry_run and not launched(os.environ)
    )  # the processes, the first of which warns
    net = load(spec, sets, preset, include, warn=not starts, trains=True, schedule=steps is None)
    if (why := why_untrained(net)) is not None:
        fail(*why, 1)
    if net.recipe is None:
        fail(
            f"{net.name} has no `train`, so it does not say how it is trained",
            "add `train: {recipe: cifar_resnet}`",
            1,
        )
    if on is not None and not dry_run:
        fail(
            "--on says which accelerator a dry run is about",
            "give --dry-run as well, or leave --on out; runs take --device",
        )
    try:
        every = None if eval_every is None else parse_every(eval_every)
    except RunError as error:
        fail_with(error)
    options: dict[str, Any] = {
        "data": data, "weights": weights, "fresh": fresh or [], "out": out or Path("runs") / net.name,
        "steps": steps, "scale_schedule": scale_schedule, "seed": seed, "device": device, "compile": str(compile),
        "resume": resume, "override": override, "force": force, "dry_run": dry_run,
        "checkpoint_every": checkpoint_every, "eval_every": every, "log": log or [], "threads": threads, "workers": workers,
        "nproc": nproc, "max_restarts": max_restarts, "timeout": timeout, "shard": shard, "devices": devices,
        "deterministic": deterministic,
    }  # fmt: skip
    errors: tuple[type[Exception], ...] = (archspec.WeightsError, AcceleratorError, RunError)
    try:
        check_shares(net, nproc or world_of(os.environ).size)
        chosen = find_trainer(backend)
        errors = (*errors, *chosen.errors)
        given = {"--steps": steps, "--seed": seed}
        check_given_once(net, [option for option, value in given.items() if value is not None])
        if starts:
            check_run(net, chosen, Options(**options))
        if nproc is not None and starts:
            command = [sys.executable, "-m", "archspec_cli", *sys.argv[1:]]
            raise typer.Exit(chosen.launch(command, nproc, max_restarts))
        with ExitStack() as held:
            if weights is not None:
                from archspec.weights.for_training import as_safetensors
                from archspec.weights.identity import notes_on

                check_before(net, chosen, Options(**options))
                read = read_weights(net, weights, fresh or [])
                for note in notes_on(read, net) if os.environ.get("RANK", "0") == "0" else ():
                    say(f"{weights}: {note}")
                options["weights"] = held.enter_context(as_safetensors(read, weights))
            code = try_out(net, chosen, Options(**options), on) if dry_run else chosen.train(net, options)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except errors as error:
        fail_with(error)
    if code == 0 and not dry_run and os.environ.get("RANK", "0") == "0":
        where = shlex.quote(str(out or Path("runs") / net.name))
        say(f"the run is in {where}; measure it with: archspec eval {where}")
    elif code in (130, 143) and os.environ.get("RANK", "0") == "0":
        say(f"go on with: archspec train {shlex.quote(str(options['out']))} --resume")
    raise typer.Exit(code)

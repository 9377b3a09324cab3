"""From a job and its options to a finished run, with whatever framework does the arithmetic."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.checkpoints.starting import start_from
from archspec_runtime.console import complain, say, warn
from archspec_runtime.errors import FailedElsewhere, RunError
from archspec_runtime.frameworks.protocol import ALONE, EVALUATE, PREDICT, Framework, MakeModel, Write
from archspec_runtime.job.exhausted import anywhere
from archspec_runtime.job.job import Job, Options, effective, parse_options
from archspec_runtime.job.memory import bytes_as_text, memory, on_cpu
from archspec_runtime.job.net_facts import beside
from archspec_runtime.parts import part
from archspec_runtime.processes.allocators import keep_freed
from archspec_runtime.processes.out_of_memory import is_out_of_memory
from archspec_runtime.processes.platforms import busy
from archspec_runtime.processes.world import World, abandon, launched, world_of
from archspec_runtime.record.identity import (
    Identity,
    ModelSource,
    TrainerSource,
    edited_files,
    identity_of,
    normalization_of,
    optimizer_of,
)  # fmt: skip
from archspec_runtime.run.dry_run import dry_run, frozen_text
from archspec_runtime.run.loop import Loop, Result
from archspec_runtime.run.preflight import (
    LOGGING,
    check_options,
    check_split,
    open_for,
    warn_before,
    warn_of_images,
)
from archspec_runtime.run.progress import said_if_slow
from archspec_runtime.run.record import keep_memory, record, take
from archspec_runtime.run.resume import recorded
from archspec_runtime.schedule.phases import Schedule


def main(framework: Framework, make_model: MakeModel, job: Job, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == [EVALUATE]:
        from archspec_runtime.measure import command as measuring

        return measuring.main(framework, job, words[1:])
    if words[:1] == [PREDICT]:
        from archspec_runtime.measure import predict_command

        return predict_command.main(framework, job, words[1:])
    options = parse_options(job, argv, framework.devices, framework.options)
    try:
        if options.nproc is not None and not options.dry_run and not launched(os.environ):
            check_options(options, framework.options, ALONE)
            given = sys.argv[1:] if argv is None else argv
            command = [sys.executable, sys.argv[0], *given]
            return framework.launch(command, options.nproc, options.max_restarts)
        result = train(framework, make_model, beside(make_model, job), options)
        if result.exit_code == 0 and not options.dry_run and os.environ.get("RANK", "0") == "0":
            where = shlex.quote(str(result.folder))
            say(f"the run is in {where}; measure it with: python {shlex.quote(sys.argv[0])} eval --out {where}")
        elif result.exit_code and os.environ.get("RANK", "0") == "0":
            say(f"go on with: python {shlex.quote(sys.argv[0])} --out {shlex.quote(str(result.folder))} --resume")
        return result.exit_code
    except RunError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def train(
    framework: Framework, make_model: MakeModel, job: Job, options: Options,
    write: Write | None = None,
) -> Result:  # fmt: skip
    """Train a job; `write` puts the source that a new run keeps. Raises RunError for whatever a user can mend."""
    world = world_of(os.environ)
    try:
        return _train(framework, make_model, job, options, write, world)
    except FailedElsewhere as error:
        abandon(error.exit_code)
        raise SystemExit(error.exit_code) from None
    except (RunError, MemoryError, ImportError, SystemError, RuntimeError) as error:
        if not isinstance(error, RunError):
            if not is_out_of_memory(error):
                if world.size > 1:
                    abandon(1)
                raise
            error = anywhere(job, options, framework.name)
        if world.size > 1:
            abandon(error.exit_code)
        if not world.may_speak():
            raise SystemExit(error.exit_code) from None
        raise error from None
    except BaseException:
        if world.size > 1:
            abandon(1)
        raise


def _train(
    framework: Framework, make_model: MakeModel, job: Job, options: Options, write: Write | None,
    world: World,
) -> Result:  # fmt: skip
    folder = options.out or Path("run")
    if options.dry_run:
        stated = optimizer_of(framework.training) if job.recipe.optimizer is None else []
        emitted = write is not None
        dry_run(job, options, framework.options, world, framework.name, spec_checked=emitted, stated=stated)
        if world.leads and (files := edited_files(framework.training, make_model, emitted=emitted)):
            warn(
                f"{' and '.join(files)} was edited: the estimates are of the net and the optimizer as archspec wrote them"
            )
        return Result(folder, 0, 0, {})
    check_options(options, framework.options, world)
    asked, job = job, effective(job, options, scale=False)
    world.share(job.recipe.batch_size // job.recipe.accumulate)
    if options.threads is not None:
        framework.use_threads(options.threads)
    world = framework.join(world, options)
    device = framework.choose_device(options.device, world)
    if device == "cpu":
        keep_freed()
    with said_if_slow("reading the data set", silent=not world.leads):
        dataset = open_for(job, options.data)
    if world.leads:
        warn_of_images(job, dataset)
    check_split(job, dataset)
    job = effective(asked, options, len(dataset.train) // job.recipe.batch_size)
    recipe = job.recipe
    skip = recipe.data.corrupt == "skip"
    with said_if_slow("measuring the mean of the training images", silent=not world.leads):
        normalization = measure(recipe.data.normalize, dataset.train, job.input_shape, skip=skip)
    batches = Batches(
        dataset.train,
        recipe.data,
        recipe.batch_size,
        recipe.seed,
        job.input_shape,
        normalization,
        options.workers,
        world,
    )
    total = recipe.steps or (recipe.epochs or 1) * batches.per_epoch
    with ExitStack() as held:
        resume = bool(world.lead(lambda: take(folder, options, world, held)))
        options = replace(options, resume=resume)
        settings, how = framework.settle(make_model, job, options, device, total)
        source = ModelSource.of(make_model, emitted=write is not None)
        trainer = TrainerSource.of(framework.training, emitted=write is not None)
        now = identity_of(job, source, dataset, normalization, trainer)
        identity: Identity | None = now
        if resume:
            begun, identity = recorded(
                framework.name, folder, job, options, write, world, now, source, trainer, dataset, total
            )
            settings = {**settings, **{k: v for k, v in begun.items() if type(v) is type(settings.get(k))}}
            if options.deterministic and not settings["deterministic"] and world.leads:
                warn("--deterministic has no effect: this run was begun without it")
            if identity is not None:
                batches.normalization = normalization = normalization_of(identity)
        else:
            name = framework.name
            world.lead(
                lambda: record(
                    name, folder, make_model, job, options, device, settings, write, world, now, trainer, dataset
                )
            )
        if world.leads:
            warn_before(asked, job, options, framework.options, batches.per_epoch, spec_checked=write is not None)
            where = device if world.size == 1 else f"{world.size} processes, the first on {device}"
            say(f"{job.name} on {where}: {total:,} steps, {how}")
            if device == "cpu" and options.threads is None and (crowded := busy()) is not None:
                say(crowded)
        stepper = framework.stepper(make_model, job, dataset, normalization, device, settings, world, options)
        if stepper.frozen and world.leads:
            say(frozen_text(stepper.frozen, job.params))
        if options.weights is not None:  # of which a checkpoint that there is makes others
            start_from(stepper, options.weights, options.fresh)
        elif not resume and (started := stepper.start_from_images()) and world.leads:
            say(f"{' and '.join(started)} started from training images")
        schedule = Schedule(recipe.lr, total, batches.per_epoch)
        loggers = opened(options, folder, job, world, held)
        log = None if loggers is None else loggers.log
        result = Loop(
            job,
            options,
            folder,
            dataset,
            batches,
            stepper,
            total,
            schedule,
            world,
            identity,
            log,
            settings.get("compiled", True),
        ).run()
        if loggers is not None:
            loggers.ending = "KILLED" if result.exit_code else "FINISHED"
        if world.leads and (peak := framework.peak_memory(device)) is not None:
            devices = world.size * options.devices
            expected = _expected(job, device, framework.name, devices, sharded=options.shard)
            keep_memory(folder, peak, expected)
            if result.exit_code == 0:
                say(_memory(peak, expected, device))
        del stepper  # and all that holds the group of processes, so that it can be taken down
    world.close()
    return result


def opened(options: Options, folder: Path, job: Job, world: World, held: ExitStack) -> Any:
    """The loggers of a run, in the process that writes for all, until the end of what is `held`; None without any."""
    if not world.leads:
        return None
    if not options.log:
        if options.resume and (folder / "loggers.json").is_file():
            warn("the run was logged elsewhere as well, which gets no more of it; --log goes on with it")
        return None
    made = part("loggers.opening", LOGGING).Loggers(
        options.log, folder, job, resumed=options.resume, repeats=options.override
    )
    return held.enter_context(made)


def _expected(job: Job, device: str, framework: str, devices: int, *, sharded: bool) -> int:
    """The bytes that a process was expected to take on its device."""
    expected = memory(job, devices, framework, sharded=sharded)
    return on_cpu(expected, framework) if device == "cpu" else expected.total


def _memory(peak: int, expected: int, device: str) -> str:
    """What was taken on a device, beside what was expected."""
    on = "on the CPU, the whole process" if device == "cpu" else f"on {device}"
    return f"memory {on}: took {bytes_as_text(peak)} at its peak; about {bytes_as_text(expected)} was expected"

"""From a job and its options to a finished run, with whatever framework does the arithmetic."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches, check_filled
from archspec_runtime.console import complain, say, warn
from archspec_runtime.data.splits import Dataset, open_dataset
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options, beside, effective, frozen_text
from archspec_runtime.job.options import EVALUATE, PREDICT, parse_options
from archspec_runtime.job.out_of_memory import anywhere, is_out_of_memory
from archspec_runtime.parts import extra, part
from archspec_runtime.processes.platforms import busy, keep_freed
from archspec_runtime.processes.world import ALONE, World, world_of
from archspec_runtime.record.identity import (
    Identity,
    ModelSource,
    TrainerSource,
    identity_of,
    normalization_of,
)  # fmt: skip
from archspec_runtime.run.loop import Loop, Result
from archspec_runtime.run.progress import said_if_slow
from archspec_runtime.run.record import Beginning, record, recorded, take
from archspec_runtime.schedule.phases import Schedule

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel, Restate, Write


def open_for(job: Job, data: Path | None) -> Dataset:
    """The images that a job is trained on. Raises DataError."""
    recipe = job.recipe
    return open_dataset(recipe.data, data, input_shape=job.input_shape, classes=job.classes, seed=recipe.seed)


def check_split(job: Job, dataset: Dataset) -> None:
    """Raise RunError where a data set has not what the recipe asks for."""
    if job.recipe.asks_for_validation and not dataset.validates:
        help_ = (
            "set some aside with `data.holdout`, put val/ beside test/, or ask for the other by name, "
            "as in `plateau 5 of test_error`"
        )
        raise RunError("the recipe asks for a `val_error`, and there are no images to validate on", help_)
    check_filled(len(dataset.train), job.recipe.batch_size)


def warn_of_images(job: Job, dataset: Dataset) -> None:
    """Say what a user should know of the images that a job is trained on."""
    for notice in dataset.notices:
        warn(*notice.split("\n"))
    if dataset.val_is_test and job.recipe.asks_for_validation:
        warn("val/ alone is there to measure on: `val_error` and `test_error` are of the same images")


SEVERAL = "a run of several processes"


def main(framework: Framework, make_model: MakeModel, job: Job, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] in ([EVALUATE], [PREDICT]):
        from archspec_runtime.measure import commands

        return (commands.evaluate if words[0] == EVALUATE else commands.predict)(framework, job, words[1:])
    options = parse_options(job, argv, framework.devices, framework.options)
    try:
        if options.nproc is not None and not options.dry_run and not _launched():
            part("archspec_runtime.run.preflight", SEVERAL).check_options(options, framework.options, ALONE)
            return framework.launch([sys.executable, sys.argv[0], *words], options.nproc, options.max_restarts)
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


def _launched() -> bool:
    """Whether a launcher started this process."""
    return bool(part("archspec_runtime.processes.distributed", SEVERAL).launched(os.environ))


def train(
    framework: Framework, make_model: MakeModel, job: Job, options: Options,
    write: Write | None = None, restate: Restate | None = None,
) -> Result:  # fmt: skip
    """Train a job; `write` puts the source that a new run keeps, `restate` makes it for a schedule that options scale.

    Raises RunError for whatever a user can mend.
    """
    world = world_of(os.environ)

    def run() -> Result:
        try:
            return _train(framework, make_model, job, options, write, restate, world)
        except (MemoryError, ImportError, SystemError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise anywhere(job, options, framework.name) from None

    if world.size == 1:
        return run()
    result: Result = part("archspec_runtime.processes.distributed", SEVERAL).together(world, run)
    return result


def _train(
    framework: Framework, make_model: MakeModel, job: Job, options: Options, write: Write | None,
    restate: Restate | None, world: World,
) -> Result:  # fmt: skip
    folder = options.out or Path("run")
    emitted = write is not None
    if options.dry_run:
        part("archspec_runtime.run.dry_run", "--dry-run").of_trainer(
            framework, make_model, job, options, world, emitted=emitted
        )
        return Result(folder, 0, 0, {})
    preflight = extra("archspec_runtime.run.preflight")
    if preflight is not None:
        preflight.check_options(options, framework.options, world)
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
    if options.scale_schedule:
        framework = part("archspec_runtime.schedule.scaling", "--scale-schedule").restated(framework, job, restate)
    recipe = job.recipe
    skip = recipe.data.corrupt == "skip"
    with said_if_slow("measuring the mean of the training images", silent=not world.leads):
        normalization = measure(recipe.data.normalize, dataset.train, job.input_shape, skip=skip)
    batches = Batches(
        dataset.train, recipe.data, recipe.batch_size, recipe.seed, job.input_shape, normalization, options.workers,
        world,
    )  # fmt: skip
    total = recipe.steps or (recipe.epochs or 1) * batches.per_epoch
    with ExitStack() as held:
        resume = bool(world.lead(lambda: take(folder, options, world, held)))
        options = replace(options, resume=resume)
        settings, how = framework.settle(make_model, job, options, device, total)
        source = ModelSource.of(make_model, emitted=emitted)
        trainer = TrainerSource.of(framework.training, emitted=emitted)
        now = Beginning(identity_of(job, source, dataset, normalization, trainer), source, trainer, dataset)
        identity: Identity | None = now.identity
        if resume:
            begun, identity = recorded(framework.name, folder, job, options, write, world, now, total)
            settings = {**settings, **{k: v for k, v in begun.items() if type(v) is type(settings.get(k))}}
            if options.deterministic and not settings["deterministic"] and world.leads:
                warn("--deterministic has no effect: this run was begun without it")
            if identity is not None:
                batches.normalization = normalization = normalization_of(identity)
        else:
            about = framework.name, folder, make_model, job, options, device, settings, write, world
            world.lead(lambda: record(*about, now.identity, trainer, dataset))
        if world.leads:
            if preflight is not None:
                preflight.warn_before(
                    asked, job, options, framework.options, batches.per_epoch, spec_checked=emitted
                )
            where = device if world.size == 1 else f"{world.size} processes, the first on {device}"
            say(f"{job.name} on {where}: {total:,} steps, {how}")
            if device == "cpu" and options.threads is None and (crowded := busy()) is not None:
                say(crowded)
        stepper = framework.stepper(make_model, job, dataset, normalization, device, settings, world, options)
        if stepper.frozen and world.leads:
            say(frozen_text(stepper.frozen, job.params))
        if options.weights is not None:  # of which a checkpoint that there is makes others
            starting = part("archspec_runtime.checkpoints.initial_weights", "--weights")
            starting.start_from(stepper, options.weights, options.fresh)
        elif not resume and (started := stepper.start_from_images()) and world.leads:
            say(f"{' and '.join(started)} started from training images")
        schedule = Schedule(recipe.lr, total, batches.per_epoch)
        loggers = opened(options, folder, job, world, held)
        log = None if loggers is None else loggers.log
        compiles = settings.get("compiled", True)
        result = Loop(
            job, options, folder, dataset, batches, stepper, total, schedule, world, identity, log, compiles
        ).run()
        if loggers is not None:
            loggers.ending = "KILLED" if result.exit_code else "FINISHED"
        memory = extra("archspec_runtime.run.peak_memory")
        if world.leads and memory is not None and (peak := framework.peak_memory(device)) is not None:
            devices, ended = world.size * options.devices, result.exit_code == 0
            memory.report(folder, peak, job, device, framework.name, devices, sharded=options.shard, ended=ended)
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
    made = part("archspec_runtime.loggers.opening", "what --log needs").Loggers(
        options.log, folder, job, resumed=options.resume, repeats=options.override
    )
    return held.enter_context(made)

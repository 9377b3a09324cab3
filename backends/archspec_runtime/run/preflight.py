"""What a run refuses before it begins and before a framework is loaded, so that a dry run refuses it as well."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from archspec_runtime.batches.order import check_filled
from archspec_runtime.checkpoints.initial_weights import of_a_run
from archspec_runtime.console import warn
from archspec_runtime.data.splits import EMBEDDED, check_folder
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.job.memory import optimizer_slots
from archspec_runtime.parts import part
from archspec_runtime.processes.distributed import launched
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.data_sets import IMAGES
from archspec_runtime.recipe.images import Epoch
from archspec_runtime.run.session import check_split, open_for, warn_of_images
from archspec_runtime.schedule.scaling import mismatches, unevaluated

FROM_SCRATCH = {"sgd": 0.05, "adamw": 1e-3, "lamb": 4e-3}
"""The highest rate, by optimizer, from which on a recipe is taken for one that trains random weights."""

LIKE_IMAGENET = 96
"""Pixels of images from which on a net is taken for one of ImageNet, whose weights can be fine-tuned."""

LOGGING = "what --log needs"
READ_AHEAD = ("image_folder", "webdataset", "parquet")
"""Data sets whose images are read from files while others are trained on; others are in memory."""


def check_options(options: Options, has: Collection[str], world: World) -> None:
    """Raise RunError for an option that could have no effect; `has` names those of a framework that others may lack."""
    for message, help_ in _without_effect(options, has, world):
        raise RunError(message, help_, 2)
    if options.log:
        part("archspec_runtime.loggers.opening", LOGGING).check_loggers(options.log)


def _without_effect(options: Options, has: Collection[str], world: World) -> Iterator[tuple[str, str]]:
    several = world.size > 1 or bool(world.launch) or (options.nproc or 1) > 1
    if options.fresh and options.weights is None:
        yield "--fresh says which modules --weights does not reach", "give --weights, or leave --fresh out"
    if options.resume and options.force:
        yield "--resume goes on with a run and --force overwrites it", "give one of them"
    if options.override and not options.resume:
        yield (
            "--override goes on with a run whose recipe, images, class names or model.py have changed",
            "give --resume as well, or leave --override out",
        )
    if options.scale_schedule and options.steps is None:
        yield (
            "--scale-schedule scales to the length that --steps gives",
            "give --steps, or leave --scale-schedule out",
        )
    if options.max_restarts and options.nproc is None:
        yield "--max-restarts is of the processes that --nproc starts", "give --nproc, or leave --max-restarts out"
    if options.timeout is not None and not several:
        yield (
            "--timeout is how long processes wait for each other, and there is one",
            "give --nproc, or leave --timeout out",
        )
    if options.nproc is not None and launched(os.environ) and options.nproc != world.size:
        yield (
            f"{world.size} processes were started, and --nproc is {options.nproc}",
            "leave --nproc to the launcher",
        )
    if options.compile == "graph" and "compile" not in has:
        yield "--compile graph is PyTorch's: a step of Flax is one program", "leave it out, or take --backend torch"
    elif options.compile == "graph" and several:
        yield "--compile graph records a step of one process, and there are several", "--compile on"
    if options.shard and "shard" not in has:
        yield "--shard is PyTorch's", "leave it out, or take --backend torch"
    if options.shard and not several:
        yield ("--shard splits the run over its processes, and there is one",
               "start several: --nproc N, one process per GPU, or torchrun; or leave --shard out")  # fmt: skip
    if options.deterministic and "deterministic" not in has:
        yield "this backend has no --deterministic", "leave it out, or take --backend torch or flax"
    if options.devices > 1 and "devices" not in has:
        yield "PyTorch drives one device to a process", f"--nproc {options.devices}"


def known_images(job: Job) -> int | None:
    """How many images a job is trained on, where that is known of its data set."""
    data = job.recipe.data
    return IMAGES[data.dataset] - data.holdout if data.dataset in IMAGES else None


def warn_before(
    asked: Job, job: Job, options: Options, has: Collection[str], per_epoch: int | None, *, spec_checked: bool
) -> None:  # fmt: skip
    """Say what of the schedule the run does not come to, and which options have no effect on these images.

    Where the spec was checked, what it says of its own length was said then.
    """
    recipe = job.recipe
    total = recipe.steps if recipe.steps is not None else (recipe.epochs or 1) * per_epoch if per_epoch else None
    known = spec_checked and options.steps is None and recipe.data.dataset in {*IMAGES, *EMBEDDED}
    if total is not None and not known:
        fits = options.steps is None or options.scale_schedule or asked.recipe.steps == options.steps
        for line in mismatches(recipe, total, per_epoch):
            warn(line if fits else f"{line}; --scale-schedule fits the schedule to the steps")
    asked_for = options.eval_every is not None or (not known and recipe.eval_every != Epoch(1))
    if total is not None and asked_for and (why := unevaluated(recipe.eval_every, total, per_epoch)) is not None:
        warn(why)
    highest = max(max(phase.value, phase.end or 0.0) for phase in recipe.lr)
    optimizer = (
        recipe.optimizer.kind if recipe.optimizer is not None else "sgd" if optimizer_slots(job) < 2 else "adamw"
    )
    if options.weights is not None and highest >= FROM_SCRATCH[optimizer]:
        length = f"{recipe.steps:,} steps" if recipe.steps is not None else f"{recipe.epochs} epochs"
        other = (
            "train.recipe=finetune is one for weights of ImageNet"
            if _can_finetune(job) and not of_a_run(options.weights)
            else f"a tenth of it keeps more of what they know, as --set train.lr={highest / 10:g}"
        )
        warn(f"the weights are trained on by a recipe for random ones: lr up to {highest:g} over {length}, "
             f"normalize {recipe.data.normalize}; {other}")  # fmt: skip
    if options.compile == "off" and "compile" not in has:
        warn("--compile off has no effect: Flax always compiles")
    if options.workers is not None and recipe.data.dataset not in READ_AHEAD:
        warn(f"--workers has no effect: the images of {recipe.data.dataset} are in memory")


def _can_finetune(job: Job) -> bool:
    """Whether the recipe `finetune` is for such images, in folders, in colours, as large as ImageNet's, and not in use."""
    channels, *size = job.input_shape
    data = job.recipe.data
    in_use = (data.normalize, data.eval_resize) == ("imagenet", 256)  # as that recipe has them
    return data.dataset == "image_folder" and channels == 3 and min(size) >= LIKE_IMAGENET and not in_use


def ready(job: Job, options: Options, has: Collection[str], world: World) -> tuple[Job, int | None]:
    """The job as it would run, and the steps of an epoch where they are known. Raises RunError for what a run refuses.

    Images are looked at where `data` says where they are.
    """
    check_options(options, has, world)
    plain = effective(job, options, scale=False)
    recipe = plain.recipe
    processes = World(size=(options.nproc or world.size) * options.devices)
    processes.share(recipe.batch_size // recipe.accumulate)
    check_folder(recipe.data, options.data)
    per_epoch = None
    if options.data is not None:
        dataset = open_for(plain, options.data)
        if world.leads:
            warn_of_images(plain, dataset)
        check_split(plain, dataset)
        per_epoch = len(dataset.train) // recipe.batch_size
    elif (known := known_images(plain)) is not None:
        check_filled(known, plain.recipe.batch_size)
        per_epoch = known // recipe.batch_size
    return effective(job, options, per_epoch), per_epoch

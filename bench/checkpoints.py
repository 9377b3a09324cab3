"""What checkpoints cost: 100 steps of ResNet-20 with one of them saved over 100 steps without.

python bench/checkpoints.py [--backend flax]   (noise of CIFAR-10's shape, batch 128)

Both are steps of one trainer in this process, in turn; the checkpoint is the first thing of its steps, so that all of its
writing falls among them. Then how long a step waits for a checkpoint, and how long it would if nothing were written beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pairs import in_turn, line, ratio

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.checkpoints.saver import LOG_EVERY, Saver
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.processes.world import World

LONG = 10**6  # steps of a run that would compile


def trainer(backend: str, net: Any, options: Options) -> tuple[Job, Any, Callable[[int], None]]:
    """The job, its stepper, and a function that takes so many steps as a run does."""
    if backend == "torch":
        from archspec_torch.trainer import Torch as Framework
    else:
        from archspec_flax.trainer import Flax as Framework
    framework: Any = Framework()
    job = effective(Job.from_dict(job_fields(net)), options)
    recipe = job.recipe
    device = framework.choose_device(options.device)
    dataset = open_dataset(recipe.data, None, input_shape=job.input_shape, classes=job.classes, seed=0)
    normalization = measure(recipe.data.normalize, dataset.train, job.input_shape)
    batches = Batches(dataset.train, recipe.data, recipe.batch_size, 0, job.input_shape, normalization)
    model: Any = type(archspec.build(net, backend))
    settings, how = framework.settle(model, job, options, device, LONG)
    print(f"{job.name} on {device}, batch {recipe.batch_size}: {how}")
    stepper = framework.stepper(model, job, dataset, normalization, device, settings, World(), options)

    def steps(count: int) -> None:
        for number, batch in enumerate(batches.run(0, count)):
            stepper.step(batch, 0.01, number)
            if (number + 1) % LOG_EVERY == 0:
                stepper.drain()

    return job, stepper, steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", choices=("torch", "flax"), default="torch")
    parser.add_argument("--net", default="cifar_resnet:resnet20")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="steps to a checkpoint, a multiple of 20")
    given = parser.parse_args()
    net = archspec.load(given.net, set={"train.data.dataset": "synthetic", "train.data.holdout": 0})
    options = Options(device=given.device)
    job, stepper, steps = trainer(given.backend, net, options)
    steps(LOG_EVERY)  # what is compiled, is
    with tempfile.TemporaryDirectory() as folder:
        saver = Saver(Path(folder), job, options, LONG, World())
        saved = iter(range(1, LONG))

        def save() -> None:
            saver.save(stepper, next(saved), {})

        def wait() -> None:
            saver.finish()

        waits = []
        for _ in range(20):
            begun = time.perf_counter()
            save()
            middle = time.perf_counter()
            wait()
            waits.append((middle - begun, time.perf_counter() - begun))

        def with_one() -> None:
            save()
            steps(given.steps)
            wait()

        seconds = in_turn({"with": with_one, "without": lambda: steps(given.steps)}, given.rounds, warmup=0)
    what = f"{job.name}: a checkpoint every {given.steps} steps over none"
    line(what, ratio(seconds["with"], seconds["without"]), "", "at most 1.02")
    line("a step", 1e3 * statistics.median(seconds["without"]) / given.steps, "ms")
    line("a step waits for a checkpoint", 1e3 * statistics.median(w[0] for w in waits), "ms")
    line("it would wait until the checkpoint is on the disk", 1e3 * statistics.median(w[1] for w in waits), "ms")


if __name__ == "__main__":
    main()

"""How long deep nets take from their source to their first training step on a CPU, stages rolled up or written out.

python bench/flax_compiling.py   (a process a net; noise of CIFAR-10's shape, batch 8)
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

from pairs import line


def first_step(name: str, rolled: bool) -> float:
    """Seconds from the spec to the end of the first step, imports left out."""
    import jax

    import archspec
    from archspec.emission.folder import job_fields, train_source
    from archspec.emission.import_source import import_files, import_source
    from archspec_flax.emit import rolling
    from archspec_flax.emit.folder import KIT
    from archspec_flax.emit.model import model_files
    from archspec_flax.trainer.stepper import FlaxStepper
    from archspec_runtime.batches.normalization import measure
    from archspec_runtime.batches.order import Batches
    from archspec_runtime.data.splits import open_dataset
    from archspec_runtime.job.job import Job

    if not rolled:
        rolling.ROLLED = 1_000_000
    start = time.perf_counter()
    net = archspec.load(
        name, set={"train.data.dataset": "synthetic", "train.data.holdout": 0, "train.batch_size": 8}
    )
    job = Job.from_dict(job_fields(net))
    job = replace(job, recipe=replace(job.recipe, data=replace(job.recipe.data, holdout=0)))
    dataset = open_dataset(job.recipe.data, None, input_shape=job.input_shape, classes=10, seed=0)
    normalization = measure(job.recipe.data.normalize, dataset.train, job.input_shape)
    batches = Batches(dataset.train, job.recipe.data, 8, 0, job.input_shape, normalization)
    model = getattr(import_files(model_files(net), "emitted"), net.class_name)
    source = train_source(KIT, net, job).replace(f"from model import {net.class_name}\n", "")
    stated = import_source(source, "emitted_trainer").TRAINING
    made = time.perf_counter()
    stepper = FlaxStepper(model, stated, job, dataset, normalization, jax.devices("cpu")[0], 1)
    print(f"{name}: {time.perf_counter() - made:.1f} s of it to draw the parameters", file=sys.stderr)
    stepper.step(next(iter(batches.run(0, 1))), 0.1, 0)
    stepper.drain()
    return time.perf_counter() - start


def main() -> None:
    if len(sys.argv) > 1:
        print(first_step(sys.argv[1], sys.argv[2] == "rolled"))
        return
    seconds = {}
    for name, how in (("resnet110", "rolled"), ("resnet1202", "rolled"), ("resnet110", "unrolled")):
        command = [sys.executable, __file__, f"cifar_resnet:{name}", how]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds[name, how] = float(done.stdout)
        line(f"{name}, {how}: from the spec to the end of the first step", seconds[name, how], "s")
    deeper = seconds["resnet1202", "rolled"] / seconds["resnet110", "rolled"]
    line("resnet1202 over resnet110, both rolled", deeper, "", "at most 2")
    line("resnet110 unrolled over rolled", seconds["resnet110", "unrolled"] / seconds["resnet110", "rolled"])


if __name__ == "__main__":
    main()

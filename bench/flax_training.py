"""`archspec train --backend flax` as a whole program against its step alone, a hand-written loop with NNX, and PyTorch.

python bench/flax_training.py --data DIR   (the real CIFAR-10 images; without it, noise of the same shape)

Each is a process of its own, and they run in turn; images per second of steady state, compilation left out.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pairs import line, ratio
from training import BATCH, arrays, program


def by_hand(net: str, data: Path | None, steps: int) -> float:
    """A plain loop over the same net, as NNX's guides write it: `nnx.jit`, `nnx.Optimizer`, batches made by NumPy."""
    import jax
    import optax
    from flax import nnx

    import archspec

    images, labels = arrays(data)
    mean = images.mean(0, dtype=np.float32) / 255
    random = np.random.default_rng(0)
    model = archspec.build(archspec.load(net), "flax")
    model.train()
    chain = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.1, 0.9))
    optimizer = nnx.Optimizer(model, chain, wrt=nnx.Param)

    @nnx.jit
    def train_step(model: nnx.Module, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> jax.Array:
        def objective(model: nnx.Module) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

        loss, grads = nnx.value_and_grad(objective)(model)
        optimizer.update(model, grads)
        return loss

    def batch() -> tuple[np.ndarray, np.ndarray]:
        chosen = random.integers(0, len(images), BATCH)
        padded = np.pad(images[chosen].astype(np.float32) / 255 - mean, ((0, 0), (0, 0), (4, 4), (4, 4)))
        tops, lefts = random.integers(0, 9, (2, BATCH))
        cut = np.stack([p[:, t : t + 32, u : u + 32] for p, t, u in zip(padded, tops, lefts, strict=True)])
        flip = random.random(BATCH) < 0.5
        cut[flip] = cut[flip, :, :, ::-1]
        return cut.transpose(0, 2, 3, 1), labels[chosen].astype(np.int32)

    start = 0.0
    for number in range(steps + 3):
        if number == 3:
            start = time.perf_counter()
        loss = float(train_step(model, optimizer, *batch()))
    assert np.isfinite(loss)
    return steps * BATCH / (time.perf_counter() - start)


def bare_step(net: str, data: Path | None, steps: int) -> float:
    """The very step that the trainer compiles, called again and again with one batch that lies there."""
    import jax

    import archspec
    from archspec.emission.folder import train_source
    from archspec.emission.import_source import import_source
    from archspec_flax.emit.folder import KIT
    from archspec_flax.trainer.stepper import FlaxStepper
    from archspec_runtime.batches.normalization import measure
    from archspec_runtime.batches.order import Batches
    from archspec_runtime.data.splits import ArraySplit, Dataset
    from archspec_runtime.job.job import Job
    from archspec_runtime.recipe.recipe import Recipe

    loaded = archspec.load(net)
    recipe, shape = Recipe.from_dict(loaded.recipe), (3, 32, 32)
    job = Job(name=net, input_shape=shape, classes=10, macs=0, params=0, kept=0, fingerprint="", recipe=recipe)
    split = ArraySplit(*arrays(data))
    normalization = measure(recipe.data.normalize, split, shape)
    source = train_source(KIT, loaded, job).replace(f"from model import {loaded.class_name}\n", "")
    stated = import_source(source, "emitted_trainer").TRAINING
    stepper = FlaxStepper(lambda **_: archspec.build(loaded, "flax"), stated, job, Dataset(split, None, split, ()),
                          normalization, jax.devices()[0], 1)  # fmt: skip
    batch = Batches(split, recipe.data, BATCH, 0, shape, normalization).at(0)
    state, inputs, start = stepper.state, jax.device_put(stepper._inputs(batch, 0.1, 0)), 0.0
    for number in range(steps + 3):
        if number == 3:
            jax.block_until_ready(state)
            start = time.perf_counter()
        state = stepper._steps(state, stepper.data, inputs)
    jax.block_until_ready(state)
    return steps * BATCH / (time.perf_counter() - start)


ALONE: dict[str, Callable[[str, Path | None, int], float]] = {"by hand": by_hand, "bare step": bare_step}
"""What is timed in a process of its own, by half as many steps."""


def measured(name: str, net: str, data: Path | None, steps: int) -> float:
    """Images per second of a contender, in a process of its own."""
    if name not in ALONE:
        return program(net, data, steps, name)
    command = [sys.executable, __file__, "--net", net, "--steps", str(steps // 2), "--alone", name]
    where = ["--data", str(data)] if data else []
    done = subprocess.run([*command, *where], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="cifar_resnet:resnet20")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    names = [*ALONE, "flax", "torch"]
    parser.add_argument("--contenders", nargs="+", default=names, choices=names)
    parser.add_argument("--alone", choices=ALONE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(ALONE[options.alone](options.net, options.data, options.steps))
        return
    speeds: dict[str, list[float]] = {name: [] for name in options.contenders}
    for number in range(options.rounds):
        for name in options.contenders[:: 1 if number % 2 else -1]:
            speeds[name].append(measured(name, options.net, options.data, options.steps))
    for name, found in speeds.items():
        line(f"{options.net}, batch {BATCH}: {name}", statistics.median(found), "/s")
    for what, first, second, bound in (
        ("speed of archspec train over the bare compiled step", "flax", "bare step", "at least 0.97"),
        ("time of archspec train over by hand", "by hand", "flax", "at most 0.9"),
        ("time of Flax over PyTorch, both by archspec train", "torch", "flax", ""),
    ):
        if first in speeds and second in speeds:
            line(what, ratio(speeds[first], speeds[second]), "", bound)


if __name__ == "__main__":
    main()

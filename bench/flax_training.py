"""`archspec train --backend flax` as a whole program against a loop that is written by hand with NNX, and against PyTorch.

python bench/flax_training.py --data DIR   (the real CIFAR-10 images; without it, noise of the same shape)

Each is a process of its own, and they run in turn; images per second of steady state, compilation left out.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from pairs import line
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="cifar_resnet:resnet20")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--by-hand", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.by_hand:
        print(by_hand(options.net, options.data, options.steps // 2))
        return
    speeds: dict[str, list[float]] = {"flax": [], "by hand": [], "torch": []}
    for _ in range(options.rounds):
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--by-hand"],
                              check=True, stdout=subprocess.PIPE, text=True)  # fmt: skip
        speeds["by hand"].append(float(done.stdout))
        for backend in ("flax", "torch"):
            speeds[backend].append(program(options.net, options.data, options.steps, backend))
    for name, found in speeds.items():
        line(f"{options.net}, batch {BATCH}: {name}", statistics.median(found), "/s")
    pairs = zip(speeds["by hand"], speeds["flax"], strict=True)
    line("time of archspec train over by hand", statistics.median(a / b for a, b in pairs), "", "at most 0.9")
    pairs = zip(speeds["torch"], speeds["flax"], strict=True)
    line("time of Flax over PyTorch, both by archspec train", statistics.median(a / b for a, b in pairs))


if __name__ == "__main__":
    main()

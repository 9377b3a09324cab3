"""Loss and errors over a split, on one device or many."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax import Array

from archspec_runtime.batches import evaluation_batches, evaluation_size
from archspec_runtime.datasets import Dataset
from archspec_runtime.exhausted import while_measuring
from archspec_runtime.job import Job
from archspec_runtime.normalize import Normalization
from archspec_runtime.stepper import Evaluation
from archspec_runtime.world import World

from .device import out_of_memory
from .images import Store, normalized, store
from .mesh import Devices
from .world import added_up

ALONE = World()


def evaluate(
    model: nnx.Module, job: Job, dataset: Dataset, split: str, normalization: Normalization, device: jax.Device,
    devices: Devices | None = None, world: World = ALONE,
) -> Evaluation:  # fmt: skip
    """Loss and errors of a model over a split, every sample once."""
    model.eval()  # type: ignore[no-untyped-call]
    samples = dataset.split(split)
    graph, state = nnx.split(model)
    kind = np.float64 if job.recipe.precision == "fp64" else np.float32
    here = (devices or Devices.of(device)).local
    each = evaluation_size(job.recipe, len(samples), world.size * here.mesh.size)
    size = each * here.mesh.size
    measure = partial(_measure, graph, np.dtype(kind), min(5, job.classes))

    with jax.default_device(device), out_of_memory(partial(while_measuring, size)):
        state = here.spread(state)
        data = here.spread(store(samples, normalization, device))
        sums = np.zeros(3)
        pieces = evaluation_batches(samples, size, normalization, job.input_shape, job.recipe.data, world=world)
        for piece, pixels in pieces:
            count = piece.stop - piece.start
            # the last piece is filled up, so that all have one shape; what fills it is not counted
            indices = np.minimum(np.arange(piece.start, piece.start + size), len(samples) - 1).astype(np.int32)
            if pixels is not None:
                pixels = np.concatenate([pixels, np.zeros((size - count, *pixels.shape[1:]), pixels.dtype)])
                pixels = pixels.transpose(0, 2, 3, 1)
            given = here.shared((indices, pixels, np.arange(size) < count))
            sums += [float(s) for s in measure(state, data, *given)]
    total = len(samples)
    loss, error1, error5 = added_up(sums.tolist(), world)
    five = 100.0 * error5 / total if job.classes > 5 else None
    return Evaluation(loss / total, 100.0 * error1 / total, five, total)


@partial(jax.jit, static_argnums=(0, 1, 2))  # once for all evaluations of a run
def _measure(
    graph: Any, kind: np.dtype[Any], most: int, state: Any, data: Store, indices: Array, pixels: Array | None, real: Array
) -> tuple[Array, ...]:  # fmt: skip
    """The loss of the samples that are `real` (N,), and how many have their label not first, and not among the first `most`."""
    images = pixels if data.bytes is None else normalized(data, data.images(indices))
    assert images is not None, "they are in memory, or were read"
    labels = data.labels[indices]
    logits = nnx.merge(graph, state, copy=True)(images.astype(kind)).astype(kind)
    best = jax.lax.top_k(logits, most)[1] == labels[:, None]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    loss = jnp.where(real, losses, 0).sum()
    return loss, (real & ~best[:, 0]).sum(), (real & ~best.any(1)).sum()

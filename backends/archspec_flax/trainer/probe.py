"""A trained net as a function from the host's pixels; layers that are asked about are wrapped to tell of themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from archspec_runtime.frameworks.probe import Answer, Floats, Probe
from archspec_runtime.job.exhausted import while_measuring
from archspec_runtime.job.job import Job

from .device import out_of_memory
from .unrolled import unroll


class Noted(nnx.Module):
    """A layer that notes the moments of what it gives, for each image."""

    def __init__(self, layer: Any, name: str, moments: dict[str, Array]) -> None:
        self.layer = layer
        self.note: Callable[[Array], None] = partial(moments.__setitem__, name)

    def __call__(self, x: Array) -> Array:
        """Map x as the layer does."""
        output: Array = self.layer(x)
        exact = output.reshape(len(output), -1).astype(jnp.promote_types(output.dtype, jnp.float32))
        self.note(jnp.stack([exact.mean(1), jnp.square(exact).mean(1)]))
        return output


def make_probe(model: nnx.Module, job: Job, device: jax.Device, layers: Sequence[str]) -> Probe:
    """A model as a function, in the precision of its recipe; compiled for each shape of pixels."""
    model.eval()  # type: ignore[no-untyped-call]
    kind = jnp.float64 if job.recipe.precision == "fp64" else jnp.float32
    moments: dict[str, Array] = {}
    if layers:
        unroll(model)
    for name in layers:
        _wrap(model, name, moments)
    graph, state = nnx.split(model)
    compiled: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)

    @jax.jit
    def answer(state: Any, pixels: Array) -> tuple[Array, list[Array]]:
        merged: Any = nnx.merge(graph, state, copy=True)
        logits = job.scores(merged(pixels.astype(kind)))
        return logits, [moments[name] for name in layers]

    def probe(pixels: Floats) -> Answer:
        count = len(pixels)
        # a batch is filled up to a size that is compiled already, where that wastes less than it has
        sizes = compiled[pixels.shape[1:]]
        size = min((s for s in sizes if count <= s <= 2 * count), default=count)
        sizes.add(size)
        filled = np.concatenate([pixels, np.zeros((size - count, *pixels.shape[1:]), pixels.dtype)])
        with jax.default_device(device), out_of_memory(partial(while_measuring, size)):
            logits, both = jax.device_get(answer(state, filled.transpose(0, 2, 3, 1)))
        means, squares = np.stack(both, axis=2, dtype=np.float64) if both else np.empty((2, size, 0))
        return Answer(logits[:count].astype(np.float64), means[:count], squares[:count])

    return probe


def _wrap(model: nnx.Module, name: str, moments: dict[str, Array]) -> None:
    *path, last = name.split(".")
    parent: Any = model
    for part in path:
        parent = parent[int(part)] if isinstance(parent, nnx.List) else getattr(parent, part)
    if isinstance(parent, nnx.List):
        parent[int(last)] = Noted(parent[int(last)], name, moments)
    else:
        setattr(parent, last, Noted(getattr(parent, last), name, moments))

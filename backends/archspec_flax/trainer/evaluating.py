"""Nets that are measured: loss and errors over a split, and a trained net as a function from the host's pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Bytes, Fitting, evaluation_batches, evaluation_size
from archspec_runtime.console import warn
from archspec_runtime.data.splits import Dataset
from archspec_runtime.frameworks.results import Answer, Evaluation, Floats
from archspec_runtime.job.job import Job
from archspec_runtime.job.out_of_memory import measured_in_halves, while_measuring
from archspec_runtime.parts import part
from archspec_runtime.processes.world import ALONE, World

from .device import added_up, is_too_much, out_of_memory
from .images import Store, normalized, store
from .mesh import Devices
from .programs import CompilerOptions
from .training import EvalStep

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Probe

AHEAD = 3  # batches that are given to a device before the first of them is waited for


def evaluate(
    model: nnx.Module, job: Job, dataset: Dataset, split: str, normalization: Normalization, device: jax.Device,
    devices: Devices | None = None, world: World = ALONE, fitting: Fitting | None = None,
    compiled: CompilerOptions | None = None, eval_step: EvalStep | None = None,
) -> Evaluation:  # fmt: skip
    """Loss and errors of a model over a split, every sample once, as `eval_step` has them."""
    model.eval()  # type: ignore[no-untyped-call, unused-ignore]
    samples = dataset.split(split)
    graph, state = nnx.split(model)
    kind = np.float64 if job.recipe.precision == "fp64" else np.float32
    here = (devices or Devices.of(device)).local
    each = evaluation_size(job.recipe, len(samples), world.size * here.mesh.size)
    size = each * here.mesh.size
    fitting = fitting or Fitting()
    sums = Sums(here, len(samples), min(each, fitting.each or each))

    with jax.default_device(device), out_of_memory(lambda: while_measuring(sums.size)):
        state = here.spread(state)
        data = fitting.kept.get(split)
        if data is None:
            data = here.spread(store(samples, normalization, device))
            fitting.keep(split, data, sum(leaf.nbytes for leaf in jax.tree.leaves(data)))
        measure = program(measured, *(compiled or {}).items())
        if eval_step is None:
            earlier = part("archspec_flax.trainer.earlier", "measuring by no eval_step")
            eval_step = earlier.usual(job.recipe.precision, job.classes)
        sums.measure = partial(measure, graph, np.dtype(kind), eval_step, state, data)
        pieces = evaluation_batches(samples, size, job.input_shape, job.recipe.data, world=world)
        for piece, pixels in pieces:
            sums.add(piece, pixels)
        own = sums.total()
    if sums.halved:
        fitting.each = sums.each
        fitting.forget()
    total = len(samples)
    loss, error1, error5 = added_up(own.tolist(), world)
    five = 100.0 * error5 / total if job.classes > 5 else None
    return Evaluation(loss / total, 100.0 * error1 / total, five, total)


@dataclass
class Sums:
    """What is summed over a split. It stays on the device until all of it is asked for.

    A batch that memory does not suffice for is measured in halves, and so are those after it.
    """

    here: Devices
    samples: int
    each: int  # images on a device at once
    measure: Callable[..., tuple[Array, ...]] = field(init=False)
    parts: list[tuple[Array, ...]] = field(default_factory=list)
    fits: bool = False  # as has been seen
    halved: bool = False

    @property
    def size(self) -> int:
        """Images at once on all devices of this process."""
        return self.each * self.here.mesh.size

    def add(self, piece: slice, pixels: Bytes | None) -> None:
        """Measure consecutive samples, whose bytes (N, C, H, W) are given unless all are on the device."""
        try:
            found = [self.measure(*self.here.shared(given)) for given in self._filled(piece, pixels)]
            if not self.fits:  # a device says late that memory ran out
                jax.block_until_ready(found)  # type: ignore[no-untyped-call]
        except jax.errors.JaxRuntimeError as error:
            if self.each == 1 or not is_too_much(error):
                raise
            before, self.each = self.size, -(-self.each // 2)
            self.fits, self.halved = False, True
            warn(measured_in_halves(before, self.size))
            self.add(piece, pixels)
            return
        self.fits = True
        self.parts += found
        if len(self.parts) > AHEAD:  # so that images that are read do not pile up on the device
            jax.block_until_ready(self.parts[-1 - AHEAD])  # type: ignore[no-untyped-call]

    def total(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The sums over all samples of this process; the only time that the device is asked for numbers."""
        each = jax.device_get(self.parts)
        sums: np.ndarray[Any, np.dtype[np.float64]] = np.asarray(each, np.float64).reshape(-1, 3).sum(0)
        return sums

    def _filled(self, piece: slice, pixels: Bytes | None) -> Iterator[tuple[Any, ...]]:
        """Batches of one shape: the last is filled up, and what fills it is not counted."""
        size = self.size
        for start in range(piece.start, piece.stop, size):
            count = min(size, piece.stop - start)
            indices = np.minimum(np.arange(start, start + size), self.samples - 1).astype(np.int32)
            images = None
            if pixels is not None:
                given = pixels[start - piece.start :][:count]
                images = np.concatenate([given, np.zeros((size - count, *given.shape[1:]), given.dtype)])
                images = images.transpose(0, 2, 3, 1)
            yield indices, images, np.arange(size) < count


@cache  # once for all evaluations of a run
def program(function: Callable[..., tuple[Array, ...]], *options: tuple[str, bool | str | int]) -> Any:
    """`measured`, compiled with these options."""
    return jax.jit(function, static_argnums=(0, 1, 2), compiler_options=dict(options) or None)


def measured(
    graph: Any, kind: np.dtype[Any], eval_step: EvalStep, state: Any, data: Store, indices: Array, pixels: Array | None,
    real: Array,
) -> tuple[Array, ...]:  # fmt: skip
    """The loss of the samples that are `real` (N,), and how many have their label not first, and not among the first five.

    `pixels` are bytes (N, H, W, C) where they are not on the device.
    """
    bytes_ = pixels if data.bytes is None else data.images(indices)
    assert bytes_ is not None, "they are in memory, or were read"
    labels = data.labels[indices]
    found = eval_step(nnx.merge(graph, state, copy=True), normalized(data, bytes_).astype(kind), labels)
    five = found.errors if found.top5_errors is None else found.top5_errors
    loss = jnp.where(real, found.losses, 0).sum()
    return loss, (real & found.errors).sum(), (real & five).sum()


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
    model.eval()  # type: ignore[no-untyped-call, unused-ignore]
    kind = jnp.float64 if job.recipe.precision == "fp64" else jnp.float32
    moments: dict[str, Array] = {}
    if layers:
        part("archspec_flax.trainer.unrolled", "asking layers").unroll(model)
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
    for step in path:
        parent = parent[int(step)] if isinstance(parent, nnx.List) else getattr(parent, step)
    if isinstance(parent, nnx.List):
        parent[int(last)] = Noted(parent[int(last)], name, moments)
    else:
        setattr(parent, last, Noted(getattr(parent, last), name, moments))

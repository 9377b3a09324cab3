"""The arithmetic of a run in JAX: whole steps are compiled, state stays on the device, several steps go in one dispatch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax import Array
from safetensors.numpy import load_file

from archspec_flax.names import load_state_dict, spec_shapes, stacked
from archspec_runtime.averaging import kept
from archspec_runtime.batches import Batch, evaluation_batches
from archspec_runtime.datasets import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.exhausted import while_measuring, while_training
from archspec_runtime.job import Job
from archspec_runtime.normalize import Normalization
from archspec_runtime.recipe import Skip
from archspec_runtime.record import MakeModel
from archspec_runtime.saving import LOG_EVERY
from archspec_runtime.stepper import Evaluation, Outcome
from archspec_runtime.world import World

from .convolution import use_fast_gradients
from .device import out_of_memory
from .drawing import drawn
from .images import Picked, Store, batch_of, normalized, pick, store
from .loss import Shares, loss_of, mix_images, shares_of, targets_of
from .mesh import Devices, on_this_process
from .optimizer import Scale, all_finite, clipped, make_optimizer
from .snapshot import FlaxSnapshot, copied, unflat
from .world import added_up, peers_answer

ALONE = World()
EVALUATION_BATCH = 500
HALF = {"bf16": jnp.bfloat16, "fp16": jnp.float16}
UNROLLED = 7  # parts after the first that are compiled one by one, as loops around convolutions are slow on CPUs
DRAWS_A_STEP = 1 << 12  # more than any net draws in one step


class Outcomes(NamedTuple):
    """What came of the steps since they were looked at: a place for each."""

    losses: Array
    errors: Array
    updated: Array

    @staticmethod
    def start(kind: Any) -> Outcomes:
        """None yet."""
        places = jnp.zeros(LOG_EVERY, kind), jnp.zeros(LOG_EVERY, jnp.int32), jnp.zeros(LOG_EVERY, bool)
        return Outcomes(*places)

    def put(self, place: Array, loss: Array, errors: Array, updated: Array) -> Outcomes:
        """With another one."""
        return Outcomes(
            self.losses.at[place].set(loss), self.errors.at[place].set(errors), self.updated.at[place].set(updated)
        )


class State(NamedTuple):
    """All that a step changes."""

    params: Any
    rest: Any  # running statistics, and the streams of random numbers
    optimizer: Any
    average: Any  # of the parameters and of the running statistics; None without
    scale: Scale
    outcomes: Outcomes


class Inputs(NamedTuple):
    """What a step is given."""

    picked: Picked
    lr: Array
    number: Array
    kept: Array  # of the average
    limit: Array  # of the loss; infinite where there is none
    place: Array  # of what comes of it
    mixed: Shares | None  # None where the recipe never mixes


class FlaxStepper:
    """A model with its optimizer on a device or a mesh of them; implements the runtime's `Stepper`.

    A step is compiled for the whole batch, split over the devices: batch norm and every sum are over all of it, and what
    is drawn at random is the same on any number of devices.
    """

    def __init__(
        self, make_model: MakeModel, job: Job, dataset: Dataset, normalization: Normalization, device: jax.Device,
        steps_a_dispatch: int, world: World = ALONE, *, each: int = 1,
    ) -> None:  # fmt: skip
        recipe = job.recipe
        self.job = job
        self.dataset = dataset
        self.normalization = normalization
        self.device = device
        self.world = world
        self.devices = Devices.of(device, each)
        self.kind = use_precision(recipe.precision)
        with jax.default_device(device):
            self.model = prepared(drawn(make_model, recipe.seed, device), recipe.precision)
            self.model.train()  # type: ignore[no-untyped-call]
            if device.platform == "cpu":
                use_fast_gradients(self.model)
            # copies: the first step gives its state away, and the model is still needed to read weights into
            self.graph, *parts = nnx.split(self.model, nnx.Param, ...)
            params, rest = jax.tree.map(jnp.copy, parts)
            self.optimizer = make_optimizer(recipe.optimizer, stacked(params, self.model))
            average = jax.tree.map(jnp.copy, averaged(params, rest)) if recipe.ema is not None else None
            state = State(params, rest, self.optimizer.init(params), average,
                          Scale.start(recipe.precision == "fp16"), Outcomes.start(self.kind))  # fmt: skip
            self.state = self.devices.spread(state)
            self.data = self.devices.spread(store(dataset.train, normalization, device))
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        self.padding = sum(getattr(a, "padding", 0) for a in recipe.data.augment)
        self.size = steps_a_dispatch
        self.queue: list[Inputs] = []
        self.undrained = 0  # steps whose outcomes are on the device
        self.outcomes: list[Outcome] = []
        step: Callable[..., State] = self._several if self.size > 1 else self._one
        everywhere = self.devices.everywhere if self.devices.many else None  # None: as the compiler sees fit
        self._steps = jax.jit(step, donate_argnums=0, out_shardings=everywhere)

    def step(self, batch: Batch, lr: float, number: int, limit: float | None = None) -> None:
        """Queue one step; a full queue is dispatched without waiting for its result."""
        if self.undrained == LOG_EVERY:
            self._look()
        self.queue.append(self._inputs(batch, lr, number, math.inf if limit is None else limit))
        self.undrained += 1
        if len(self.queue) == self.size:
            self._dispatch()

    def _too_much(self) -> RunError:
        return while_training(self.job, self.devices.mesh.size)

    def _inputs(self, batch: Batch, lr: float, number: int, limit: float = math.inf) -> Inputs:
        recipe = self.job.recipe
        keeps = 1.0 if recipe.ema is None else kept(recipe.ema, number + 1, self.steps_per_epoch)
        mixed = None if recipe.data.mix is None else shares_of(batch.mixed, self.kind)
        numbers = np.asarray(lr, self.kind), np.asarray(number, np.uint32), np.asarray(keeps, self.kind)
        more = np.asarray(limit, self.kind), np.asarray(self.undrained, np.int32)
        return Inputs(pick(batch), *numbers, *more, mixed)  # type: ignore[arg-type]

    def _dispatch(self) -> None:
        if not self.queue:
            return
        with out_of_memory(self._too_much), peers_answer(), jax.default_device(self.device):
            if self.size == 1:
                one = self.queue[0]
                self.state = self._steps(
                    self.state, self.data, one._replace(picked=self.devices.shared(one.picked))
                )
            else:
                # always the same program, however many steps there are, so that a run's numbers do not depend on it
                filled = self.queue + [self.queue[-1]] * (self.size - len(self.queue))
                stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *filled)
                stacked = stacked._replace(picked=self.devices.shared(stacked.picked, axis=1))
                self.state = self._steps(self.state, self.data, stacked, np.int32(len(self.queue)))
        self.queue.clear()

    def _several(self, state: State, data: Store, inputs: Inputs, count: Array) -> State:
        def one(index: Array, state: State) -> State:
            return self._one(state, data, jax.tree.map(lambda leaf: leaf[index], inputs))

        final: State = jax.lax.fori_loop(0, count, one, state)
        return final

    def _one(self, state: State, data: Store, inputs: Inputs) -> State:
        """One forward, backward and update."""
        recipe = self.job.recipe
        images, labels = batch_of(data, inputs.picked, self.padding, self.kind)
        images = self.devices.cut(images)
        targets = targets_of(labels, self.job.classes, recipe, inputs.mixed, self.kind)
        if inputs.mixed is not None:
            images = mix_images(images, inputs.mixed)
        started = at_step(state.rest, inputs.number)
        grads, rest, loss, wrong = self._gradients(state.params, started, state.scale, (images, labels, targets))
        finite = sound = jnp.asarray(True)
        if isinstance(recipe.bad_loss, Skip):
            sound = jnp.isfinite(loss) & (loss <= inputs.limit)
            if recipe.precision != "fp16":  # whose scaling goes by gradients that are not finite
                sound &= all_finite(grads)
        if recipe.precision == "fp16":
            grads = jax.tree.map(lambda g: g / state.scale.value, grads)
            finite = all_finite(grads)
        if recipe.clip_norm is not None:
            grads = clipped(grads, recipe.clip_norm)
        direction, optimizer = self.optimizer.update(grads, state.optimizer, state.params)
        params = jax.tree.map(lambda p, d: p - inputs.lr.astype(p.dtype) * d, state.params, direction)
        if recipe.precision == "fp16":  # a step that overflowed is not taken
            params, optimizer = jax.tree.map(
                partial(jnp.where, finite), (params, optimizer), (state.params, state.optimizer)
            )
        average = state.average
        if recipe.ema is not None:
            average = jax.tree.map(partial(mean_of, inputs.kept), average, averaged(params, rest))
        scale = state.scale.after(finite) if recipe.precision == "fp16" else state.scale
        after = State(params, rest, optimizer, average, scale, state.outcomes)
        if isinstance(recipe.bad_loss, Skip):
            after = unless(sound, after, state)
        return after._replace(outcomes=state.outcomes.put(inputs.place, loss, wrong, sound))

    def _gradients(
        self, params: Any, rest: Any, scale: Scale, batch: tuple[Array, ...]
    ) -> tuple[Any, Any, Array, Array]:
        """The scaled gradient of a batch, what the model keeps, the loss and how many are wrong.

        The parts of an accumulated batch go one after the other: each is normalized by its own statistics.
        """
        parts = self.job.recipe.accumulate

        def one(rest: Any, images: Array, labels: Array, targets: Array) -> tuple[Any, Any, Array, Array]:
            def objective(params: Any) -> tuple[Array, tuple[Any, Array, Array]]:
                model = nnx.merge(self.graph, params, rest, copy=True)
                logits = model(images).astype(self.kind)
                loss = loss_of(logits, targets, self.job.recipe) / parts
                _, *split = nnx.split(model, nnx.Param, ...)
                wrong = (logits.argmax(1) != labels).sum(dtype=jnp.int32)
                return loss * scale.value.astype(loss.dtype), (split[1], loss, wrong)

            grads, (kept, loss, wrong) = jax.grad(objective, has_aux=True)(params)
            return grads, kept, loss, wrong

        if parts == 1:
            return one(rest, *batch)
        first, *others = zip(*(jnp.split(array, parts) for array in batch), strict=True)
        sums = one(rest, *first)
        if len(others) <= UNROLLED:
            for part in others:
                sums = _added(sums, one(sums[1], *part))
            return sums
        stacked = tuple(jnp.stack(arrays) for arrays in zip(*others, strict=True))
        final, _ = jax.lax.scan(lambda sums, part: (_added(sums, one(sums[1], *part)), None), sums, stacked)
        return final

    def drain(self) -> list[Outcome]:
        """What came of the steps since the last call."""
        self._look()
        outcomes, self.outcomes = self.outcomes, []
        return outcomes

    def _look(self) -> None:
        self._dispatch()
        # A step fails where its outcome is asked for.
        with out_of_memory(self._too_much), peers_answer():
            losses, errors, updated = jax.device_get(self.state.outcomes)
        for place in range(self.undrained):
            self.outcomes.append(Outcome(float(losses[place]), int(errors[place]), bool(updated[place])))
        self.undrained = 0

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split with the averaged weights where there are any."""
        self._dispatch()
        model = self._model(averaged=self.state.average is not None)
        return evaluate(
            model, self.job, self.dataset, split, self.normalization, self.device, self.devices, self.world
        )

    def _model(self, averaged: bool = False) -> nnx.Module:
        params, rest = self.state.params, self.state.rest
        if averaged:
            params, statistics = self.state.average
            rest = nnx.merge_state(rest, statistics)
        # copies: the next step gives its state away
        state = (params, rest)
        state = on_this_process(state) if self.devices.many else state
        model: nnx.Module = nnx.merge(self.graph, *jax.tree.map(jnp.copy, state))
        return model

    def snapshot(self) -> FlaxSnapshot | None:
        """All state: the weights by the spec's names, and what else a resumed run needs, on any number of devices."""
        self._dispatch()
        state = self.state
        with out_of_memory(self._too_much):
            copies = copied((state.params, state.rest, state.average, (state.optimizer, state.scale)))
        if not self.world.leads:
            return None
        params, rest, average, optimizer = jax.device_get(on_this_process(copies) if self.devices.many else copies)
        return FlaxSnapshot(self.graph, params, rest, average, optimizer, self.normalization)

    def start_from(self, weights: Path) -> None:
        """Begin with weights of a file instead of those that were drawn."""
        with jax.default_device(self.device):
            params, rest = self._read(weights)
            average = jax.tree.map(jnp.copy, averaged(params, rest)) if self.state.average is not None else None
            params, rest, average = self.devices.spread((params, rest, average))
            self.state = self.state._replace(params=params, rest=rest, average=average)

    def _read(self, weights: Path) -> tuple[Any, Any]:
        load_state_dict(self.model, load_file(weights))
        _, *parts = nnx.split(self.model, nnx.Param, ...)
        params, rest = jax.tree.map(jnp.copy, parts)
        return params, rest

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight and statistic by the spec's names."""
        return spec_shapes(self.model)

    def load(self, folder: Path) -> None:
        """Read the files of a snapshot."""
        with jax.default_device(self.device):
            params, rest = self._read(folder / "weights.safetensors")
            average = None
            if self.state.average is not None:
                average = averaged(*self._read(folder / "average.safetensors"))
            optimizer, scale = unflat(
                (self.state.optimizer, self.state.scale), load_file(folder / "optimizer.safetensors")
            )
            state = State(params, rest, optimizer, average, scale, Outcomes.start(self.kind))
            self.state = self.devices.spread(state)


def use_precision(precision: str) -> Any:
    """The type of parameters; double precision has to be allowed in JAX first."""
    if precision == "fp64":
        jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
    return jnp.float64 if precision == "fp64" else jnp.float32


def prepared(model: nnx.Module, precision: str) -> nnx.Module:
    """A model that computes in this precision; parameters and statistics are kept in single or double."""
    if precision == "fp64":
        for _, variable in nnx.iter_graph(model):
            if isinstance(variable, (nnx.Param, nnx.BatchStat)) and jnp.issubdtype(variable.dtype, jnp.floating):
                variable.set_value(variable.get_value().astype(jnp.float64))
    if precision in HALF:
        for _, module in nnx.iter_modules(model):
            if hasattr(module, "dtype") and hasattr(module, "param_dtype"):
                module.dtype = HALF[precision]
    return model


def at_step(rest: Any, number: Array) -> Any:
    """The streams of random numbers set to where a step draws from, so that it depends on the seed and the step alone."""

    def place(variable: Any) -> Any:
        if isinstance(variable, nnx.RngCount):
            value = variable.get_value()  # equal blocks have a count each
            return variable.replace(jnp.full(value.shape, number * DRAWS_A_STEP, value.dtype))
        return variable

    return jax.tree.map(place, rest, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


def unless(sound: Array, after: State, before: State) -> State:
    """The state after a step that is sound, and that before one that is not; only streams of random numbers go on."""

    def chosen(new: Any, old: Any) -> Any:
        return jax.tree.map(partial(jnp.where, sound), new, old)

    statistics = chosen(*(nnx.filter_state(state.rest, nnx.BatchStat) for state in (after, before)))
    params, optimizer, average, scale = (
        chosen(getattr(after, part), getattr(before, part)) for part in ("params", "optimizer", "average", "scale")
    )
    return State(params, nnx.merge_state(after.rest, statistics), optimizer, average, scale, before.outcomes)


def averaged(params: Any, rest: Any) -> tuple[Any, Any]:
    """What is averaged: parameters and running statistics."""
    return params, nnx.filter_state(rest, nnx.BatchStat)


def mean_of(kept: Array, average: Array, value: Array) -> Array:
    """average = kept * average + (1 - kept) * value."""
    keeps = kept.astype(average.dtype)
    return keeps * average + (1 - keeps) * value


def _added(
    sums: tuple[Any, Any, Array, Array], more: tuple[Any, Any, Array, Array]
) -> tuple[Any, Any, Array, Array]:
    grads, _, loss, wrong = sums
    return jax.tree.map(jnp.add, grads, more[0]), more[1], loss + more[2], wrong + more[3]


def evaluate(
    model: nnx.Module, job: Job, dataset: Dataset, split: str, normalization: Normalization, device: jax.Device,
    devices: Devices | None = None, world: World = ALONE,
) -> Evaluation:  # fmt: skip
    """Loss and errors of a model over a split, every sample once."""
    model.eval()  # type: ignore[no-untyped-call]
    samples = dataset.split(split)
    graph, state = nnx.split(model)
    kind = jnp.float64 if job.recipe.precision == "fp64" else jnp.float32
    here = (devices or Devices.of(device)).local
    size = -(-min(EVALUATION_BATCH, len(samples)) // here.mesh.size) * here.mesh.size
    most = min(5, job.classes)

    @jax.jit
    def measure(state: Any, data: Store, indices: Array, pixels: Array | None, real: Array) -> tuple[Array, ...]:
        images = pixels if data.bytes is None else normalized(data, data.bytes[indices])
        assert images is not None, "they are in memory, or were read"
        labels = data.labels[indices]
        logits = nnx.merge(graph, state, copy=True)(images.astype(kind)).astype(kind)
        best = jax.lax.top_k(logits, most)[1] == labels[:, None]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        loss = jnp.where(real, losses, 0).sum()
        return loss, (real & ~best[:, 0]).sum(), (real & ~best.any(1)).sum()

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

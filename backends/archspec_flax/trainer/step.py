"""One step of training as a pure function: forward, backward and update, compiled whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax import Array

from archspec_runtime.checkpoints.saver import LOG_EVERY
from archspec_runtime.job.job import Job
from archspec_runtime.recipe.recipe import Recipe, Skip

from .images import Picked, Store, batch_of
from .loss import Shares, loss_of, mix_images, targets_of
from .optimizer import Scale, all_finite, clipped

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

    @staticmethod
    def start(params: Any, rest: Any, optimizer: optax.GradientTransformation, recipe: Recipe, kind: Any) -> State:
        """Before the first step."""
        average = jax.tree.map(jnp.copy, averaged(params, rest)) if recipe.ema is not None else None
        scale = Scale.start(recipe.precision == "fp16")
        return State(params, rest, optimizer.init(params), average, scale, Outcomes.start(kind))


class Inputs(NamedTuple):
    """What a step is given."""

    picked: Picked
    lr: Array
    number: Array
    kept: Array  # of the average
    limit: Array  # of the loss; infinite where there is none
    place: Array  # of what comes of it
    mixed: Shares | None  # None where the recipe never mixes


@dataclass(frozen=True)
class Step:
    """What a step does with its state, the same for each step of a run."""

    job: Job
    graph: Any  # of the model
    optimizer: optax.GradientTransformation
    kind: Any
    padding: int
    cut: Callable[[Array], Array]  # images over the devices

    def one(self, state: State, data: Store, inputs: Inputs) -> State:
        """One forward, backward and update."""
        recipe = self.job.recipe
        images, labels = batch_of(data, inputs.picked, self.padding, self.kind)
        images = self.cut(images)
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

    def several(self, state: State, data: Store, inputs: Inputs, count: Array) -> State:
        """The first `count` steps of the inputs, which are stacked; those after them leave the state as it is.

        A GPU runs a loop of a known length without asking the host after each step whether to go on. It would ask as well which
        branch of a choice to take, so steps that are not wanted are computed, and what they give is not.
        """

        def one(state: State, numbered: tuple[Array, Inputs]) -> tuple[State, None]:
            index, given = numbered
            after = self.one(state, data, given)
            wanted = index < count
            outcomes = jax.tree.map(partial(jnp.where, wanted), after.outcomes, state.outcomes)
            return unless(wanted, after, state)._replace(outcomes=outcomes), None

        final, _ = jax.lax.scan(one, state, (jnp.arange(len(inputs.lr)), inputs))
        return final


def at_step(rest: Any, number: Array) -> Any:
    """The streams of random numbers set to where a step draws from, so that it depends on the seed and the step alone."""

    def place(variable: Any) -> Any:
        if isinstance(variable, nnx.RngCount):
            value = variable.get_value()  # equal blocks have a count each
            return variable.replace(jnp.full(value.shape, number * DRAWS_A_STEP, value.dtype))
        return variable

    return jax.tree.map(place, rest, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


def unless(sound: Array, after: State, before: State) -> State:
    """The state after a step that counts, and that before one that does not; only streams of random numbers go on."""

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

"""One step of training as a pure function, compiled whole: what a `train.py` states, between what every run has around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax import Array

from archspec_runtime.checkpoints.saver import LOG_EVERY
from archspec_runtime.job.agreement import check_step
from archspec_runtime.job.job import Job
from archspec_runtime.recipe.images import Padding

from .images import Picked, Store, batch_of
from .precision import types_asked
from .training import Report, Run, averaged

GROWTH_INTERVAL = 2_000  # steps without overflow after which the scale doubles, as in PyTorch's GradScaler


class Scale(NamedTuple):
    """By what the loss is multiplied, and for how many steps nothing has overflowed."""

    value: Array
    good: Array

    @staticmethod
    def start(enabled: bool) -> Scale:
        """1 where nothing is scaled."""
        return Scale(jnp.asarray(65536.0 if enabled else 1.0, jnp.float32), jnp.zeros((), jnp.int32))

    def after(self, finite: Array) -> Scale:
        """Halved after an overflow, doubled after many steps without one."""
        grown = self.good + 1 >= GROWTH_INTERVAL
        value = jnp.where(finite, jnp.where(grown, self.value * 2, self.value), self.value / 2)
        return Scale(value, jnp.where(finite & ~grown, self.good + 1, 0))


def all_finite(tree: Any) -> Array:
    """Whether every number of a tree is finite."""
    return jnp.all(jnp.asarray([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


if TYPE_CHECKING:
    from .mixing import Mixed

DRAWS_A_STEP = 1 << 12  # more than any net draws in one step


class Outcomes(NamedTuple):
    """What came of the steps since they were looked at: a place for each."""

    losses: Array
    errors: Array
    updated: Array
    of_outputs: Mapping[str, Array]  # losses, where a net has several outputs

    @staticmethod
    def start(kind: Any, outputs: Sequence[str] = ()) -> Outcomes:
        """None yet."""
        places = jnp.zeros(LOG_EVERY, kind), jnp.zeros(LOG_EVERY, jnp.int32), jnp.zeros(LOG_EVERY, bool)
        several = outputs if len(outputs) > 1 else ()
        return Outcomes(*places, {name: jnp.full(LOG_EVERY, jnp.nan, kind) for name in several})

    def put(self, place: Array, report: Report, updated: Array) -> Outcomes:
        """With another one."""
        losses = report.losses or {}
        return Outcomes(
            self.losses.at[place].set(report.loss),
            self.errors.at[place].set(report.errors),
            self.updated.at[place].set(updated),
            {k: old.at[place].set(losses[k]) if k in losses else old for k, old in self.of_outputs.items()},
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
    def start(
        params: Any, rest: Any, optimizer: optax.GradientTransformation, job: Job, kind: Any, *, averages: bool
    ) -> State:  # fmt: skip
        """Before the first step."""
        average = jax.tree.map(jnp.copy, averaged(params, rest)) if averages else None
        scale = Scale.start(job.recipe.precision == "fp16")
        return State(params, rest, optimizer.init(params), average, scale, Outcomes.start(kind, job.outputs))


class Inputs(NamedTuple):
    """What a step is given."""

    picked: Picked
    lr: Array
    number: Array
    kept: Array  # of the average
    limit: Array  # of the loss; infinite where there is none
    place: Array  # of what comes of it
    mixed: Mixed | None  # None where the recipe never mixes


@dataclass(frozen=True)
class Step:
    """What a step does with its state, the same for each step of a run."""

    run: Run
    kind: Any
    padding: int
    cut: Callable[[Array], Array]  # images over the devices
    job: Job
    mode: Padding = "zeros"

    def one(self, state: State, data: Store, inputs: Inputs) -> State:
        """What `train.py` makes of a state and a batch."""
        images, labels = batch_of(data, inputs.picked, self.padding, self.kind, self.mode)
        images = self.cut(images)
        run = self.run.at(lr=inputs.lr, limit=inputs.limit, kept=inputs.kept)
        before = state._replace(rest=at_step(state.rest, inputs.number))
        given = (images, labels) if inputs.mixed is None else (images, labels, inputs.mixed)
        with types_asked() as halves:
            after, report = run.training.train_step(run, before, *given)
        averages = after.average is not before.average
        check_step(
            self.job,
            asked=before.average is not None,
            averages=averages,
            skips=report.taken is not None,
            halves=halves,
        )
        taken = jnp.asarray(True) if report.taken is None else report.taken
        outcomes = state.outcomes.put(inputs.place, report, taken)
        found: State = after._replace(outcomes=outcomes)
        return found

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
            return taken_if(wanted, after, state)._replace(outcomes=outcomes), None

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


def taken_if(sound: Array, after: State, before: State) -> State:
    """The state after a step that is sound, and that before one that is not; only streams of random numbers go on."""

    def chosen(new: Any, old: Any) -> Any:
        return jax.tree.map(partial(jnp.where, sound), new, old)

    statistics = chosen(*(nnx.filter_state(state.rest, nnx.BatchStat) for state in (after, before)))
    params, optimizer, average, scale = (
        chosen(getattr(after, part), getattr(before, part)) for part in ("params", "optimizer", "average", "scale")
    )
    return State(params, nnx.merge_state(after.rest, statistics), optimizer, average, scale, before.outcomes)

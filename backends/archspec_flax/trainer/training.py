"""What a `train.py` states in JAX's words, and what it may ask of the run for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax import Array
from jax.tree_util import keystr

from archspec_flax.names import names_of, stacked
from archspec_runtime.job.agreement import unasked_average

from .freezing import alone

if TYPE_CHECKING:
    from archspec_runtime.schedule.moment import Decay


def averaged(params: Any, rest: Any) -> tuple[Any, Any]:
    """What is averaged: parameters and running statistics."""
    return params, nnx.filter_state(rest, nnx.BatchStat)


def mean_of(kept: Array, average: Array, value: Array) -> Array:
    """average = kept * average + (1 - kept) * value."""
    keeps = kept.astype(average.dtype)
    return keeps * average + (1 - keeps) * value


Tree = Any
"""Arrays in containers, as JAX maps functions over them."""


class Report(NamedTuple):
    """What came of a step, or of a part of its batch: for progress, metrics and the policy for bad losses."""

    loss: Array
    errors: Array
    taken: Array | None = None  # whether the step counts; None where all do
    losses: Mapping[str, Array] | None = None  # of each output, where a net has several

    @staticmethod
    def of(loss: Array, logits: Array, labels: Array, losses: Mapping[str, Array] | None = None) -> Report:
        """Of a mean loss, in parts where it is computed so, and the errors of logits (N, classes)."""
        return Report(loss, (logits.argmax(1) != labels).sum(dtype=jnp.int32), losses=losses)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, as an optimizer and a training step see it; its numbers are those of the step."""

    training: Training
    graph: Any
    """With the parameters and the rest of a state, the model: `nnx.merge(run.graph, params, state.rest, copy=True)`."""
    params: Tree
    """The shapes of the parameters; a layer of equal blocks has those of all in one, along a first axis."""
    stacked: Tree
    """Of each whether it is of such a layer."""
    reached: Tree
    """Of each whether the output depends on it; what it does not depend on stays as it is."""
    trained: Any
    """The filter of what a step changes of the model, for NNX: `nnx.Param`, less what is frozen."""
    names: Mapping[str, Sequence[str]]
    """The names of each in the spec, one or those of a layer of equal blocks, by its path."""
    lr: Any = 0.0
    """The learning rate."""
    limit: Any = float("inf")
    """What the loss may be, by the policy for bad losses."""
    kept: Any = 1.0
    """The share that the EMA weights keep of themselves."""

    @staticmethod
    def of(
        training: Training, model: nnx.Module, graph: Any, params: Tree, reached: Tree, trained: Any = nnx.Param
    ) -> Run:
        """Of a model and its parts, before the first step."""
        shapes = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, p.dtype), params)  # type: ignore[no-untyped-call]
        return Run(
            training=training, graph=graph, params=shapes, stacked=stacked(params, model), reached=reached, trained=trained,
            names={keystr(path): names for path, names in names_of(params, model)},
        )  # fmt: skip

    def at(self, *, lr: Array, limit: Array, kept: Array) -> Self:
        """The same at a step."""
        return replace(self, lr=lr, limit=limit, kept=kept)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """That of `make_optimizer`, for the parameters that the output depends on."""
        return alone(self.training.make_optimizer(self), self.reached)

    def each(self, says: Callable[[Any], bool]) -> Tree:
        """What a function says of the shape of each parameter, in a layer of equal blocks of that of one: a mask for Optax."""

        def of(param: Any, many: bool) -> bool:
            return says(jax.ShapeDtypeStruct(param.shape[many:], param.dtype))  # type: ignore[no-untyped-call]

        return jax.tree.map(of, self.params, self.stacked)

    def by_name(self, says: Callable[[str, Any], float]) -> Tree:
        """A factor for each parameter, from its name in the spec and its shape; for each block of a layer of equal ones."""

        def of(path: Any, param: Any, many: bool) -> Any:
            one = jax.ShapeDtypeStruct(param.shape[many:], param.dtype)  # type: ignore[no-untyped-call]
            found = [says(name, one) for name in self.names[keystr(path)]]
            if len(set(found)) == 1:
                return found[0]
            return jnp.asarray(found, param.dtype).reshape(-1, *[1] * (len(param.shape) - 1))

        return jax.tree_util.tree_map_with_path(of, self.params, self.stacked)

    def block_by_block(self, transformation: optax.GradientTransformation) -> optax.GradientTransformation:
        """One without a state that is applied to each parameter by itself, in a layer of equal blocks to that of each."""
        leaves = jax.tree_util.tree_leaves_with_path(self.stacked)
        many = {keystr(path) for path, stacked in leaves if stacked}

        def alone(update: Array, param: Array) -> Array:
            changed: Array = transformation.update(update, transformation.init(param), param)[0]
            return changed

        def of_leaf(path: Any, update: Array, param: Array) -> Array:
            return (jax.vmap(alone) if keystr(path) in many else alone)(update, param)

        return optax.stateless(partial(jax.tree_util.tree_map_with_path, of_leaf))

    def averaged(self, average: Tree, params: Tree, rest: Tree) -> Tree:
        """average = d average + (1 - d) values, of weights and statistics, where `ema_decay` says the d of this step."""
        if average is None:
            raise unasked_average()
        return jax.tree.map(partial(mean_of, self.kept), average, averaged(params, rest))


class Scores(NamedTuple):
    """What came of an evaluation step, for each of its images (N,); the runtime sums over those that are no filling."""

    losses: Array
    errors: Array
    """Whether the label is not first."""
    top5_errors: Array | None = None
    """Whether it is not among the first five; None for five classes or fewer."""


EvalStep = Callable[[Any, Array, Array], Scores]


class Training(NamedTuple):
    """The functions that a `train.py` states.

    `make_optimizer` is given the run. `train_step` is given the run, the state, images (N, H, W, C) and labels (N,), and where
    the recipe mixes how this batch is mixed. It is pure and gives the new state and a report: it is compiled, once for all
    steps, which may be in a loop. The streams of random numbers in `state.rest` stand where the step is to draw from.
    `eval_step` is given a model in evaluation, the averaged one where there is one, images and labels; it is compiled as well.
    None where an earlier version wrote the file. `frozen` are patterns of names of parameters that are no part of
    `state.params`, but of `state.rest`. `start` is given the first training images (N, H, W, C), normalized, and gives what
    weights begin with, by their names and in the layout of a spec's; a run that is resumed, or begins with --weights, has
    them from there. `ema_decay` says how much the EMA weights keep of themselves at a moment; it is asked before a step, on the
    host.
    """

    make_optimizer: Callable[[Run], optax.GradientTransformation]
    train_step: Callable[..., tuple[Any, Report]]
    eval_step: EvalStep | None = None
    frozen: Sequence[str] = ()
    start: Callable[[Any], Mapping[str, Any]] | None = None
    ema_decay: Decay | None = None

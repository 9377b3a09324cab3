"""Which parameters are trained: those that are not frozen, and that the output depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax.interpreters.partial_eval import dce_jaxpr

from archspec_flax.names import is_repeated, spec_names
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job
from archspec_runtime.recipe.patterns import matches


def freeze(model: nnx.Module, patterns: Sequence[str]) -> Any:
    """The filter, for NNX, of the parameters that are trained: all but those of these names.

    Batch norms that have none normalize by their running statistics, and leave them as they are. Raises RunError.
    """
    if not patterns:
        return nnx.Param
    nodes: list[tuple[Any, Any]] = list(nnx.iter_graph(model))
    repeats = {path: node.repeats for path, node in nodes if is_repeated(node)}
    frozen = set()
    for path, node in nodes:
        if not isinstance(node, nnx.Param):
            continue
        names = spec_names(path, repeats)
        held = [matches(name, patterns) for name in names]
        if any(held) and not all(held):
            raise RunError(
                f"{names[0]} to {names[-1]} are one parameter of {len(names)} equal blocks in Flax, and some are frozen",
                "freeze all of these blocks or none, or train with --backend torch",
            )
        if all(held):
            frozen.add(path)
    for path, node in nodes:
        if isinstance(node, nnx.BatchNorm):
            own = [name for name in ("scale", "bias") if getattr(node, name, None) is not None]
            if own and all((*path, name) in frozen for name in own):
                node.use_running_average = True
    return nnx.All(nnx.Param, lambda path, _: tuple(path) not in frozen)


def reached(graph: Any, params: Any, rest: Any, job: Job, kind: Any) -> Any:
    """For each array of `params`, whether the output depends on it, seen by tracing and without computing anything."""
    channels, height, width = job.input_shape
    images = jax.ShapeDtypeStruct((2, height, width, channels), kind)  # type: ignore[no-untyped-call]

    def output(params: Any, images: jax.Array) -> Any:
        return nnx.merge(graph, params, rest, copy=True)(images)

    traced = jax.make_jaxpr(output)(params, images).jaxpr
    _, used = dce_jaxpr(traced, [True] * len(traced.outvars))
    leaves, tree = jax.tree.flatten(params)
    return jax.tree.unflatten(tree, used[: len(leaves)])


def alone(optimizer: optax.GradientTransformation, reached: Any) -> optax.GradientTransformation:
    """The same for the parameters that are `reached`; the others are not moved, and do not decay either, as in PyTorch."""
    if all(jax.tree.leaves(reached)):
        return optimizer

    def chosen(tree: Any) -> Any:
        return jax.tree.map(lambda leaf, used: leaf if used else jnp.zeros_like(leaf), tree, reached)

    def update(grads: Any, state: Any, params: Any) -> tuple[Any, Any]:
        updates, after = optimizer.update(grads, state, chosen(params))
        return chosen(updates), after

    return optax.GradientTransformation(optimizer.init, update)

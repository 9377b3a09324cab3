"""Parameters that the output depends on: what reaches no output has no gradient, and is left as it is."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax.interpreters.partial_eval import dce_jaxpr

from archspec_runtime.job.job import Job


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

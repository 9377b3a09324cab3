"""Optimizers as the recipe means them, and the scaling of losses in half precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped, unused-ignore]
from jax import Array

from archspec_runtime.recipe.recipe import LAMB, SGD, AdamW, Optimizer

Tree = Any

GROWTH_INTERVAL = 2_000  # steps without overflow after which the scale doubles, as in PyTorch's GradScaler


def make_optimizer(recipe: Optimizer, stacked: Tree, reached: Tree) -> optax.GradientTransformation:
    """The direction of a step, to be multiplied by -lr: SGD in the form that the recipe states, AdamW or LAMB.

    `stacked` says of each parameter whether it is those of several blocks, along a first axis, and `reached` whether the
    output depends on it: one that has no gradient does not decay either, as in PyTorch.
    """

    def decayed(params: Tree) -> Tree:
        return jax.tree.map(
            lambda p, many, used: used and (recipe.decay_norm_and_bias or p.ndim - many > 1),
            params,
            stacked,
            reached,
        )

    decay = optax.add_decayed_weights(recipe.weight_decay, mask=decayed)
    match recipe:
        case SGD():
            momentum = [optax.trace(recipe.momentum, recipe.nesterov)] if recipe.momentum else []
            return optax.chain(decay, *momentum)
        case AdamW():
            return optax.chain(optax.scale_by_adam(recipe.beta1, recipe.beta2, recipe.eps), decay)
        case LAMB():
            adapt = optax.stateless(
                partial(adapted, stacked=stacked, only=None if recipe.always_adapt else decayed)
            )
            return optax.chain(optax.scale_by_adam(recipe.beta1, recipe.beta2, recipe.eps), decay, adapt)


def adapted(updates: Tree, params: Tree, stacked: Tree, only: Callable[[Tree], Tree] | None) -> Tree:
    """Updates as long as the parameters that they are of, block by block; only some of them where `only` says so."""
    ratio = optax.scale_by_trust_ratio()

    def one(update: Array, param: Array) -> Array:
        scaled: Array = ratio.update(update, ratio.init(param), param)[0]
        return scaled

    def of_leaf(update: Array, param: Array, many: bool, chosen: bool) -> Array:
        if not chosen:
            return update
        return jax.vmap(one)(update, param) if many else one(update, param)

    chosen = jax.tree.map(lambda _: True, params) if only is None else only(params)
    return jax.tree.map(of_leaf, updates, params, stacked, chosen)


def clipped(grads: Tree, norm: float) -> Tree:
    """Gradients whose norm over all parameters is at most `norm`."""
    factor = jnp.minimum(1.0, norm / (optax.tree.norm(grads) + 1e-6))
    return jax.tree.map(lambda g: g * factor.astype(g.dtype), grads)


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


def all_finite(tree: Tree) -> Array:
    """Whether every number of a tree is finite."""
    return jnp.all(jnp.asarray([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))

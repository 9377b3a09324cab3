"""Parts of an Optax optimizer that treat parameters otherwise by their names; `Run.by_name` makes their factors."""

from __future__ import annotations

from typing import Any

import jax
import optax  # type: ignore[import-untyped, unused-ignore]

Tree = Any


def scale_each(factors: Tree) -> optax.GradientTransformation:
    """Updates times a factor for each parameter: as the last part of an optimizer, of its learning rate."""
    return optax.stateless(lambda updates, _: jax.tree.map(lambda u, factor: u * factor, updates, factors))


def decay_each(factors: Tree) -> optax.GradientTransformation:
    """Weight decay with a coefficient for each parameter, as `optax.add_decayed_weights` has one for all."""

    def decayed(updates: Tree, params: Tree) -> Tree:
        return jax.tree.map(lambda u, p, factor: u + factor * p, updates, params, factors)

    return optax.stateless(decayed)

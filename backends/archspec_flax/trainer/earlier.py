"""What runs of earlier versions have otherwise: chained optimizers, and a `train.py` that states no evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import jax
import numpy as np
import optax  # type: ignore[import-untyped, unused-ignore]
from flax import nnx
from jax import Array

from .precision import evaluated
from .training import EvalStep, Scores

Numbers = np.ndarray[Any, Any]
CHAINED = re.compile(r"^\[0\](\[\d+\])+")  # where a part is in chains of chains, before its own names


def where_they_are(state: Mapping[str, Numbers], own: Iterable[str]) -> Mapping[str, Numbers]:
    """Leaves under their places in an optimizer of the same parts that chains them otherwise, as another version may have.

    The place of momentum is `[0][1].trace['conv1']['kernel']` in one and `[0][1][0].trace[...]` in another.
    """
    places = {CHAINED.sub("[0]", name): name for name in own}
    found = {CHAINED.sub("[0]", name): array for name, array in state.items()}
    if len(found) < len(state) or places.keys() != found.keys():
        return state  # some are of another kind, or several of one kind
    return {places[name]: array for name, array in found.items()}


@cache  # as a program is compiled for each
def usual(precision: str, classes: int) -> EvalStep:
    """How runs are measured whose `train.py` does not say it: those of earlier versions."""

    def eval_step(model: nnx.Module, images: Array, labels: Array) -> Scores:
        logits = evaluated(model, precision)(images).astype(images.dtype)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        right = jax.lax.top_k(logits, min(5, classes))[1] == labels[:, None]
        return Scores(losses, ~right[:, 0], ~right.any(1))

    return eval_step

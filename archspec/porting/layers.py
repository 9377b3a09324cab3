"""Comparison of two models layer by layer: how far apart they are at each step, and the first at which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from archspec.backends import Observed, Weights

Array: TypeAlias = "np.ndarray[Any, Any]"

TOLERANCE = 1e-9
"""How far apart what layers give may be, measured by the largest number of the layer: rounding in double precision."""
SLOPES = 1e-8
"""The same of gradients."""
SMALL = 1e-6
"""Numbers that are smaller than this part of the largest of their kind are measured by that part: many are zero but for
rounding, such as the mean of what a normalization gives, or the gradient of a bias in front of one."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The largest difference at a step, None where it gives nothing to compare."""

    name: str
    evaluation: float | None = None
    training: float | None = None  # also of its running statistics
    gradient: float | None = None  # of what it gives
    parameters: float | None = None  # of its parameters' gradients

    @property
    def differs(self) -> bool:
        """Whether any of it is more than rounding."""
        return self.differs_forward or self.differs_backward

    @property
    def differs_forward(self) -> bool:
        """Whether it gives other numbers."""
        return any(d is not None and not d <= TOLERANCE for d in (self.evaluation, self.training))

    @property
    def differs_backward(self) -> bool:
        """Whether it has other gradients."""
        return any(d is not None and not d <= SLOPES for d in (self.gradient, self.parameters))


@dataclass(frozen=True, slots=True)
class Step:
    """A model in evaluation and in a step of training."""

    evaluation: Observed
    training: Observed


def compared(found: Step, expected: Step) -> list[Layer]:
    """The steps that both models have, in order of execution, and at last their results."""
    gradients = _differences(found.training.gradients, expected.training.gradients)
    inside = _differences(found.training.layer_gradients, expected.training.layer_gradients)
    evaluation = _differences(found.evaluation.layers, expected.evaluation.layers)
    training = _differences(found.training.layers, expected.training.layers)
    statistics = _differences(found.training.statistics, expected.training.statistics)
    names = list(dict.fromkeys([*training, *evaluation]))
    owners = {owner_of(name) for name in (*gradients, *statistics)}
    layers = []
    for name in [*names, *sorted(owners.difference(names))]:
        own = [d for d in (training.get(name), _of_layer(name, statistics)) if d is not None]
        layers.append(
            Layer(
                name or "the net's own",
                evaluation.get(name),
                max(own, default=None),
                inside.get(name),
                _of_layer(name, gradients),
            )
        )
    at_the_end = [_differences(a.results, b.results) for a, b in ((found.evaluation, expected.evaluation),
                                                                    (found.training, expected.training))]  # fmt: skip
    layers += [
        Layer(f"the result {name}".strip(), *(each.get(name) for each in at_the_end))
        for name in dict.fromkeys([*at_the_end[1], *at_the_end[0]])
    ]
    return layers


def unlike(found: Step, expected: Step) -> str | None:
    """What one of the models lacks: a result, or the gradient of a parameter."""
    for what, ours, theirs in (
        ("results in evaluation", found.evaluation.results, expected.evaluation.results),
        ("results in training", found.training.results, expected.training.results),
        ("parameters with a gradient", found.training.gradients, expected.training.gradients),
    ):
        if ours.keys() != theirs.keys():
            odd = ", ".join(f"`{name}`" for name in sorted(ours.keys() ^ theirs.keys())[:3])
            return f"the {what} are not the same ones: {odd}"
    return None


def first_to_differ(layers: Sequence[Layer]) -> Layer | None:
    """The first layer that gives other numbers; or where all give the same, the last with another gradient."""
    forward = next((one for one in layers if one.differs_forward), None)
    return forward or next((one for one in reversed(layers) if one.differs_backward), None)


def largest(numbers: Iterable[float | None]) -> float:
    """The largest difference, 0 where nothing was compared; what is no number is larger than all."""
    known = [number for number in numbers if number is not None]
    return next((number for number in known if number != number), max(known, default=0.0))


def owner_of(name: str) -> str:
    """The layer of a tensor; empty for one of the net itself."""
    return name.rpartition(".")[0]


def _of_layer(layer: str, differences: Mapping[str, float]) -> float | None:
    own = [d for name, d in differences.items() if owner_of(name) == layer]
    return largest(own) if own else None


def _differences(found: Weights, expected: Weights) -> dict[str, float]:
    both = [name for name in found if name in expected]
    least = SMALL * max((_size(expected[name]) for name in both), default=0.0)
    return {name: _difference(found[name], expected[name], least) for name in both}


def _size(array: Array) -> float:
    return float(np.abs(array).max()) if array.size else 0.0


def _difference(found: Array, expected: Array, least: float) -> float:
    """The largest difference by the largest number; what has another shape differs by infinity."""
    forms = [found] if found.shape == expected.shape else []
    if found.ndim == 4:  # tokens that lie as (N, H, W, C) in both frameworks
        turned = found.transpose(0, 2, 3, 1)
        forms += [turned] if turned.shape == expected.shape else []
    scale = max(_size(expected), least) or 1.0
    with np.errstate(invalid="ignore"):
        apart = [float(np.abs(form - expected).max(initial=0.0)) / scale for form in forms]
    return min(apart, default=float("inf"), key=lambda d: (d != d, d))

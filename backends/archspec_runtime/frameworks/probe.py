"""A trained net as a function: what it answers to pixels, and how strongly its layers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Answer(NamedTuple):
    """What a net answers to N images; the moments are those of L layers that were asked about, for each image."""

    logits: Doubles  # (N, classes)
    means: Doubles  # (N, L): over all numbers of a layer's output
    squares: Doubles  # (N, L): the means of their squares


Probe = Callable[[Floats], Answer]
"""Maps normalized pixels (N, C, H, W) to the answer of a net in evaluation; N, H and W may differ from call to call."""

PIXELS = 64 * 224 * 224  # in one batch that a probe is asked about, and no more than the net is trained on at once


def softmax(logits: Doubles) -> Doubles:
    """Probabilities (N, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return result

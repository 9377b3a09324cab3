"""The Flax trainer: one process or many, each with one device or many, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from archspec_runtime.recipe.patterns import scale_of

from .accumulating import accumulated
from .groups import decay_each, scale_each
from .main import Flax, main
from .mixing import Mixed, mix_images
from .precision import computing_in
from .scaling import all_finite
from .step import State, taken_if
from .training import Report, Run, Scores, Training, Tree

__all__ = [
    "Flax",
    "Mixed",
    "Report",
    "Run",
    "Scores",
    "State",
    "Training",
    "Tree",
    "accumulated",
    "all_finite",
    "computing_in",
    "decay_each",
    "main",
    "mix_images",
    "scale_each",
    "scale_of",
    "taken_if",
]

"""The Flax trainer: one process or many, each with one device or many, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied into built folders as far as they use it: what is imported here for type checkers
alone is loaded where a `train.py` imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archspec_runtime.parts import named

from .main import Flax, main
from .step import State
from .training import Report, Run, Scores, Training, Tree

if TYPE_CHECKING:
    from archspec_runtime.recipe.patterns import scale_of

    from .accumulating import accumulated
    from .groups import decay_each, scale_each
    from .mixing import Mixed, mix_images
    from .precision import computing_in
    from .step import all_finite, taken_if

__all__ = [
    "Flax", "Mixed", "Report", "Run", "Scores", "State", "Training", "Tree", "accumulated", "all_finite",
    "computing_in", "decay_each", "main", "mix_images", "scale_each", "scale_of", "taken_if",
]  # fmt: skip
HOMES = {
    "Mixed": "archspec_flax.trainer.mixing",
    "accumulated": "archspec_flax.trainer.accumulating",
    "all_finite": "archspec_flax.trainer.step",
    "computing_in": "archspec_flax.trainer.precision",
    "decay_each": "archspec_flax.trainer.groups",
    "mix_images": "archspec_flax.trainer.mixing",
    "scale_each": "archspec_flax.trainer.groups",
    "scale_of": "archspec_runtime.recipe.patterns",
    "taken_if": "archspec_flax.trainer.step",
}


def __getattr__(name: str) -> Any:
    return named(__name__, name, HOMES)

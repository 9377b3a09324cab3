"""The PyTorch trainer: one process for each device, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied into built folders as far as they use it: what is imported here for type checkers
alone is loaded where a `train.py` imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archspec_runtime.parts import named

from .main import Torch, main
from .training import Run, Scores, Training, fusable

if TYPE_CHECKING:
    from archspec_runtime.augment.mixing import Mixed
    from archspec_runtime.recipe.patterns import matches, scale_of

    from .lamb import Lamb
    from .mixing import mix_images

__all__ = [
    "Lamb", "Mixed", "Run", "Scores", "Torch", "Training", "fusable", "main", "matches", "mix_images",
    "scale_of",
]  # fmt: skip
HOMES = {
    "Lamb": "archspec_torch.trainer.lamb",
    "Mixed": "archspec_runtime.augment.mixing",
    "matches": "archspec_runtime.recipe.patterns",
    "mix_images": "archspec_torch.trainer.mixing",
    "scale_of": "archspec_runtime.recipe.patterns",
}


def __getattr__(name: str) -> Any:
    return named(__name__, name, HOMES)

"""The PyTorch trainer: one process for each device, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from archspec_runtime.augment.mixing import Mixed
from archspec_runtime.recipe.patterns import matches, scale_of

from .lamb import Lamb
from .main import Torch, main
from .mixing import mix_images
from .optimizer import fusable
from .training import Run, Scores, Training

__all__ = [
    "Lamb",
    "Mixed",
    "Run",
    "Scores",
    "Torch",
    "Training",
    "fusable",
    "main",
    "matches",
    "mix_images",
    "scale_of",
]

"""What trainers of every framework share: recipes, images, batches, the schedule, the run folder, the loop.

It stands alone on NumPy: it imports no framework and nothing of archspec, and is copied into built folders as far as they use
it: what is imported here for type checkers alone is loaded where a `train.py` imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archspec_runtime.errors import CheckpointError, DataError, RunError
from archspec_runtime.parts import named
from archspec_runtime.recipe.images import Data, Epoch, HFlip, PadCrop, Size, Step
from archspec_runtime.recipe.recipe import Keep, Phase, Recipe, Stop

if TYPE_CHECKING:
    from archspec_runtime.job.job import Job, Options
    from archspec_runtime.recipe.augmentations import (
        Mix,
        PcaLighting,
        RandAugment,
        RandomCrop,
        RandomErasing,
        RandomResizedCrop,
        ResizeShorter,
        TrivialAugment,
    )
    from archspec_runtime.recipe.vocabulary import (
        BCE,
        EMA,
        LAMB,
        SGD,
        AdamW,
        CrossEntropy,
        Measured,
        Plateau,
        RollBack,
        Skip,
    )
    from archspec_runtime.schedule.moment import Moment

__all__ = [
    "BCE", "EMA", "LAMB", "SGD", "AdamW", "CheckpointError", "CrossEntropy", "Data", "DataError", "Epoch", "HFlip",
    "Job", "Keep", "Measured", "Mix", "Moment", "Options", "PadCrop", "PcaLighting", "Phase", "Plateau", "RandAugment",
    "RandomCrop", "RandomErasing", "RandomResizedCrop", "Recipe", "ResizeShorter", "RollBack", "RunError", "Size",
    "Skip", "Step", "Stop", "TrivialAugment",
]  # fmt: skip
AUGMENTATIONS = ("Mix", "PcaLighting", "RandAugment", "RandomCrop", "RandomErasing", "RandomResizedCrop", "ResizeShorter",
                 "TrivialAugment")  # fmt: skip
VOCABULARY = ("AdamW", "BCE", "CrossEntropy", "EMA", "LAMB", "Measured", "Plateau", "RollBack", "SGD", "Skip")
HOMES = {
    **dict.fromkeys(("Job", "Options"), "archspec_runtime.job.job"),
    **dict.fromkeys(AUGMENTATIONS, "archspec_runtime.recipe.augmentations"),
    **dict.fromkeys(VOCABULARY, "archspec_runtime.recipe.vocabulary"),
    "Moment": "archspec_runtime.schedule.moment",
}


def __getattr__(name: str) -> Any:
    return named(__name__, name, HOMES)

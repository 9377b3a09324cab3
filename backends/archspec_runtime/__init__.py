"""What trainers of every framework share: recipes, images, batches, the schedule, the run folder, the loop.

It stands alone on NumPy: it imports no framework and nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from .errors import CheckpointError, DataError, RunError
from .job import Job, Options
from .recipe import (
    BCE,
    EMA,
    LAMB,
    SGD,
    AdamW,
    CrossEntropy,
    Data,
    Epoch,
    HFlip,
    Measured,
    Mix,
    PadCrop,
    PcaLighting,
    Phase,
    Plateau,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    Recipe,
    ResizeShorter,
    Size,
    Step,
    TrivialAugment,
)

__all__ = [
    "BCE",
    "EMA",
    "LAMB",
    "SGD",
    "AdamW",
    "CheckpointError",
    "CrossEntropy",
    "Data",
    "DataError",
    "Epoch",
    "HFlip",
    "Job",
    "Measured",
    "Mix",
    "Options",
    "PadCrop",
    "PcaLighting",
    "Phase",
    "Plateau",
    "RandAugment",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "Recipe",
    "ResizeShorter",
    "RunError",
    "Size",
    "Step",
    "TrivialAugment",
]

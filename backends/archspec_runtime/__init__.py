"""What trainers of every framework share: recipes, images, batches, the schedule, the run folder, the loop.

It stands alone on NumPy: it imports no framework and nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from .errors import CheckpointError, DataError, RunError
from .job import Job, Options
from .recipe import (
    SGD,
    AdamW,
    Data,
    Epoch,
    HFlip,
    Measured,
    PadCrop,
    PcaLighting,
    Phase,
    Plateau,
    RandomCrop,
    Recipe,
    ResizeShorter,
    Step,
)

__all__ = [
    "SGD",
    "AdamW",
    "CheckpointError",
    "Data",
    "DataError",
    "Epoch",
    "HFlip",
    "Job",
    "Measured",
    "Options",
    "PadCrop",
    "PcaLighting",
    "Phase",
    "Plateau",
    "RandomCrop",
    "Recipe",
    "ResizeShorter",
    "RunError",
    "Step",
]

"""The PyTorch trainer: one process and one device, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from .evaluate import evaluate_run
from .main import main, train

__all__ = ["evaluate_run", "main", "train"]

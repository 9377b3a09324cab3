"""The PyTorch trainer: one process for each device, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from .main import Torch, main

__all__ = ["Torch", "main"]

"""The Flax trainer: one process or many, each with one device or many, driven by the loop of `archspec_runtime`.

It imports nothing of archspec, and is copied as it is into built folders.
"""

from __future__ import annotations

from .main import Flax, main

__all__ = ["Flax", "main"]

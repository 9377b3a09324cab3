"""What a backend offers, how it is found, and what is installed."""

from __future__ import annotations

from archspec.backends.protocol import Backend, Files, Weights, WeightsFormat
from archspec.backends.registry import backend_names, check_supported, find_backend

__all__ = ["Backend", "Files", "Weights", "WeightsFormat", "backend_names", "check_supported", "find_backend"]

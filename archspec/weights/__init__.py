"""Weights by the spec's names and layouts: read from and written to files of any format, checked against a net.

The one part of the core that computes with NumPy; nothing that only reads specs imports it.
"""

from __future__ import annotations

from archspec.weights.convert import Converted, convert, read_fitting

__all__ = ["Converted", "convert", "read_fitting"]

"""What can go wrong apart from a spec's mistakes, which are diagnostics."""

from __future__ import annotations


class WeightsError(Exception):
    """Weights that cannot be read or do not fit the net; the message lists every tensor that differs."""

"""The network that `archspec.load` gives, under the path by which backends import it."""

from __future__ import annotations

from archspec.ir.network import Network

__all__ = ["Network"]

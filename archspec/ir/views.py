"""How a network shows itself: by rooms above this one, which `archspec.api` names here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VIEWS: dict[str, Callable[..., Any]] = {}
"""What a network is given to, by the name of its method."""

"""Renderings of diagnostics: for people, for programs, for code scanning and for GitHub's annotations."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from archspec.diagnostics.diagnostic import Diagnostic
from archspec.diagnostics.text import to_text

FORMATS = {"text": "text", "json": "json", "sarif": "sarif", "github": "github"}
"""The module of each format, imported when it is asked for: `archspec check` most often needs the first alone."""


def render(diagnostics: Sequence[Diagnostic], format: str) -> str:
    """Diagnostics in a format of `FORMATS`."""
    module = import_module(f"archspec.diagnostics.{FORMATS[format]}")
    text: str = getattr(module, f"to_{format}")(diagnostics)
    return text


__all__ = ["FORMATS", "render", "to_text"]

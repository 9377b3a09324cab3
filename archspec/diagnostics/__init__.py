"""Diagnostics: what is wrong, where, and how to fix it; their codes, spelling, and renderings."""

from __future__ import annotations

from archspec.diagnostics.diagnostic import Diagnostic, Diagnostics, Edit, Fix, Related, Source, Span, SpecError

__all__ = ["Diagnostic", "Diagnostics", "Edit", "Fix", "Related", "Source", "Span", "SpecError"]

"""Renderings of diagnostics: for people, for programs, for code scanning and for GitHub's annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archspec.diagnostics import Diagnostic
from archspec.report.github import to_github
from archspec.report.sarif import to_sarif
from archspec.report.structured import to_json
from archspec.report.text import to_text

FORMATS: dict[str, Callable[[Sequence[Diagnostic]], str]] = {
    "text": to_text,
    "json": to_json,
    "sarif": to_sarif,
    "github": to_github,
}

__all__ = ["FORMATS", "to_github", "to_json", "to_sarif", "to_text"]

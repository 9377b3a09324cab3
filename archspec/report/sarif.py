"""Diagnostics in SARIF 2.1.0, which code scanning services read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from archspec.codes import CODES
from archspec.diagnostics import Diagnostic, Span
from archspec.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """One run with a rule for each code that occurs."""
    codes = sorted({d.code for d in diagnostics})
    rules = [{"id": code, "shortDescription": {"text": CODES[code]}} for code in codes]
    driver = {"name": "archspec", "version": __version__, "rules": rules}
    results = [_result(d) for d in diagnostics]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    text = f"{diagnostic.message} ({diagnostic.help})" if diagnostic.help else diagnostic.message
    result: dict[str, Any] = {"ruleId": diagnostic.code, "level": "error", "message": {"text": text}}
    if diagnostic.span is not None:
        result["locations"] = [_location(diagnostic.span)]
    if diagnostic.related:
        result["relatedLocations"] = [
            {**_location(r.span), "message": {"text": r.message}} for r in diagnostic.related
        ]
    return result


def _location(span: Span) -> dict[str, Any]:
    if span.source.virtual:
        return {"logicalLocations": [{"fullyQualifiedName": span.source.name}]}
    region = {
        "startLine": span.line + 1,
        "startColumn": span.column + 1,
        "endLine": span.end_line + 1,
        "endColumn": max(span.end_column, span.column + 1 if span.end_line == span.line else 0) + 1,
    }
    path = PurePath(span.source.name)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}

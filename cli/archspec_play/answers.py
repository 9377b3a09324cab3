"""What the editor of a page asks: mistakes with their fixes, hints, steps, what can be chosen; completion and hover."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.codes import CODES, page
from archspec.diagnostics.printable import printable, printable_lines
from archspec.service.arguments import arguments, presets
from archspec.service.completion import complete
from archspec.service.document import Document
from archspec.service.hints import hints
from archspec.service.hover import hover
from archspec.service.names import definition
from archspec.service.steps import Steps
from archspec_play.pages import Page
from archspec_play.units import Units


def looked(shown: Page, name: str) -> dict[str, Any]:
    """All that is said beside the text; `name` is the spec's on the command line."""
    document = shown.document
    units = Units.of(document.text.text)
    facts = document.facts()
    net = facts.net if facts is not None else None
    found = diagnosed(shown, presets=False)
    broken = any(each["severity"] == "error" for each in found)
    return {
        "diagnostics": found,
        "hints": [{"at": units.out(h.offset), "text": h.text, "full": h.full} for h in hints(document)],
        "steps": [
            {"from": units.out(step.start), "to": units.out(step.end), "names": step.names}
            for step in Steps.of(document).steps
        ],
        "arguments": [asdict(argument) for argument in arguments(document)],
        "presets": presets(document),
        "net": None if net is None else {
            "name": net.name, "params": net.cost.params, "macs": net.cost.macs, "depth": net.cost.depth,
            "input": "x".join(map(str, net.input_shape)),
        },
        "current": net is not None and not broken,
        "options": _options(shown, name),
    }  # fmt: skip


def diagnosed(shown: Page, *, presets: bool) -> list[dict[str, Any]]:
    """The problems, with those of presets that are not chosen or soon without them."""
    units = Units.of(shown.document.text.text)
    found = [*shown.mistaken, *shown.document.diagnostics(presets=presets)]
    return [_diagnostic(shown.document, units, each) for each in found]


def _options(shown: Page, name: str) -> str:
    """What is chosen as the command line says it."""
    preset, values = shown.chosen
    told = [name, *(["--preset", preset] if preset else [])]
    for key, value in values.items():
        told += ["--set", f"{key}={value}"]
    return shlex.join(told)


def _diagnostic(document: Document, units: Units, found: Diagnostic) -> dict[str, Any]:
    """A diagnostic; one of another file stands where that is extended, and says which."""
    span, where = found.span, ""
    if span is not None and span.source.name == document.name:
        start, end = document.offsets(span)
    else:
        extends = next((word for word in document.words if word.role == "extends"), None)
        elsewhere = span is not None and not span.source.virtual and extends is not None
        start, end = document.offsets(extends.span) if elsewhere and extends is not None else (0, 0)
        where = printable(str(span)) if span is not None else ""
    fix = None
    if found.fix is not None and all(edit.span.source.name == document.name for edit in found.fix.edits):
        edits = [(*document.offsets(edit.span), edit.text) for edit in found.fix.edits]
        fix = {
            "title": printable(found.fix.title),
            "edits": [{"from": units.out(a), "to": units.out(b), "insert": text} for a, b, text in edits],
        }
    return {
        "from": units.out(start),
        "to": units.out(max(end, start)),
        "line": document.text.line_of(start) + 1,
        "severity": "error" if found.is_error else "warning",
        "code": found.code,
        "message": printable_lines(found.message),
        "help": printable_lines(found.help or ""),
        "where": where,
        "fix": fix,
    }


def completed(shown: Page, offset: int) -> dict[str, Any]:
    """What may stand at an offset of the browser's."""
    document = shown.document
    units = Units.of(document.text.text)
    found = complete(document, min(units.into(offset), len(document.text.text)))
    return {
        "from": units.out(found.start),
        "to": units.out(found.end),
        "items": [
            {"label": i.label, "sort": i.sort, "detail": i.detail, "doc": i.doc,
             "insert": f"{i.label}: " if i.is_key else i.label}
            for i in found.items
        ],
    }  # fmt: skip


def hovered(shown: Page, offset: int) -> dict[str, Any] | None:
    """What is at an offset of the browser's, as Markdown; None where nothing is known of it."""
    document = shown.document
    units = Units.of(document.text.text)
    found = hover(document, min(units.into(offset), len(document.text.text)))
    if found is None:
        return None
    start, end = document.offsets(found.word.span)
    return {"from": units.out(start), "to": units.out(end), "text": found.text}


def defined(shown: Page, offset: int) -> dict[str, Any] | None:
    """Where what is at an offset of the browser's is declared: here, or in another file, which comes along."""
    document = shown.document
    units = Units.of(document.text.text)
    found = definition(document, min(units.into(offset), len(document.text.text)))
    if not found:
        return None
    target = found[0]
    if target.path == document.path:
        return {"from": units.out(target.start)}
    return {
        "title": printable(target.path.name),
        "text": target.text.text,
        "line": target.text.line_of(target.start),
    }


def explained(code: str) -> dict[str, Any] | None:
    """The page of a diagnostic as Markdown; None for a code that there is not."""
    return {"title": code, "markdown": page(code)} if code in CODES else None

"""The codes of all diagnostics, stable from release to release, each with a severity and a page in `docs/diagnostics/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning"]

PACKAGE = Path(__file__).parent.parent

CODES: dict[str, str] = {
    # reading
    "AS001": "file cannot be read",
    "AS002": "not valid YAML",
    "AS003": "duplicate key",
    "AS004": "alias loops or explodes",
    "AS005": "nested too deep or too large",
    "AS006": "YAML feature that specs do not use",
    "AS007": "spec is not a mapping",
    # the language
    "AS101": "unknown key",
    "AS102": "missing key",
    "AS103": "wrong type of value",
    "AS104": "value out of range",
    "AS105": "unsupported language version",
    "AS106": "invalid name",
    "AS107": "name used twice",
    "AS108": "unknown preset",
    "AS109": "override of an unknown key",
    "AS110": "spec not found",
    "AS111": "specs extend each other in a circle",
    "AS112": "extends leaves the folder",
    "AS113": "names differ only in case",
    "AS114": "gap in numbered steps",
    "AS115": "hole that an import left",
    # expressions
    "AS201": "malformed expression",
    "AS202": "unknown name in an expression",
    "AS203": "expression cannot be computed",
    "AS204": "expression gives the wrong type",
    # blocks
    "AS301": "unknown operation, block or shortcut",
    "AS302": "block uses itself",
    "AS303": "unknown argument",
    "AS304": "missing argument",
    "AS305": "malformed step",
    "AS306": "unknown value",
    "AS307": "wrong number of inputs",
    "AS308": "too many modules",
    "AS309": "block does not give what it declares",
    "AS310": "layers that reach no output",
    "AS311": "value that reaches no output",
    "AS312": "whole samples are zeroed",
    "AS313": "declaration that nothing uses",
    "AS314": "output that a net cannot have",
    "AS315": "result that does not depend on the input",
    # shapes
    "AS401": "shapes do not merge",
    "AS402": "input smaller than the window",
    "AS403": "channels not divisible",
    "AS404": "wrong kind of input",
    "AS405": "shortcut does not fit",
    "AS406": "output does not match the classes",
    # expectations and training
    "AS501": "expectation not met",
    "AS601": "unknown recipe",
    "AS602": "inconsistent schedule",
    "AS603": "data does not fit the net",
    "AS604": "options that do not fit together",
    "AS605": "net does not take the training size",
    "AS606": "run too short for its schedule",
    "AS607": "normalization over one value",
    "AS608": "images are tested at another scale",
    "AS609": "pattern of names matches nothing",
    # backends
    "AS701": "unknown or broken backend",
    "AS702": "operation not supported by the backend",
    "AS703": "net takes images of one size only",
    "AS704": "emitted source does not run",
}

WARNINGS = frozenset({"AS310", "AS311", "AS312", "AS313", "AS315", "AS606", "AS608"})
"""The codes of what is valid and probably not meant so: a spec is not refused for them."""


def severity(code: str) -> Severity:
    """Whether a spec is refused for what a code says."""
    return "warning" if code in WARNINGS else "error"


def page(code: str) -> str:
    """The page of a code as Markdown: inside the package when installed, in `docs/` in a checkout."""
    inside = PACKAGE / "explanations" / f"{code}.md"
    path = inside if inside.is_file() else PACKAGE.parent / "docs" / "diagnostics" / f"{code}.md"
    return path.read_text(encoding="utf-8")

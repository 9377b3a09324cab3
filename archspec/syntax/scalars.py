"""Plain scalars by YAML 1.2's core schema."""

from __future__ import annotations

import re
from typing import Any

MAX_BITS = 1400

Scalar = str | int | float | bool | None

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: dict[str, Scalar] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}


def resolve_scalar(text: str) -> Scalar:
    """A plain scalar by YAML 1.2's core schema: `1e-4` is a number; `no`, `on`, `1_000` and `12:30` are strings."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text):
        digits = text.lstrip("+-")
        if len(digits) > 400:
            return float("inf")  # as `bounded` says
        return int(text, 0) if digits[:2] in ("0o", "0x") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def bounded(value: Any) -> Any:
    """A value as it is; infinity for a number that is too long to be printed, which whoever checks ranges will refuse."""
    return float("inf") if isinstance(value, int) and abs(value) >> MAX_BITS else value

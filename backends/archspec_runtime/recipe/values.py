"""Values as a spec writes them."""

from __future__ import annotations

from typing import Any


def flow(value: Any) -> str:
    """A plain value on one line; what is tagged begins with its kind."""
    if isinstance(value, dict):
        inner = ", ".join(f"{k}: {flow(v)}" for k, v in value.items() if k != "kind")
        if "kind" not in value:
            return "{" + inner + "}"
        return f"{value['kind']} {{{inner}}}" if inner else str(value["kind"])
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)

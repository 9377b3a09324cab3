"""YAML as a person lays it out: what fits on a line stands on one, the rest one step a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from archspec.syntax.scalars import resolve_scalar

WIDTH = 116


def to_text(spec: Mapping[str, Any]) -> str:
    """A spec as text."""
    return "\n".join(_mapping(spec, 0)) + "\n"


def _mapping(values: Mapping[str, Any], indent: int) -> list[str]:
    lines: list[str] = []
    for key, value in values.items():
        lines += _pair(scalar(key), value, indent)
    return lines


def _pair(key: str, value: Any, indent: int) -> list[str]:
    """A key with its value, behind so many spaces."""
    head = " " * indent + key + ":"
    line = f"{head} {flow(value)}"
    several = isinstance(value, (list, Mapping)) and len(value) > 0
    top = indent == 0 and key in TALL and isinstance(value, (list, Mapping)) and len(value) > 1
    if not several or (len(line) <= WIDTH and not top and not (key in BODIES and len(value) > 3)):
        return [line]
    if isinstance(value, Mapping):
        return [head, *_mapping(value, indent + 2)]
    return [head, *(one for each in value for one in _item(each, indent + 2))]


def _item(value: Any, indent: int) -> list[str]:
    """An entry of a list."""
    head = " " * indent + "- "
    line = head + flow(value, outermost=True)
    if len(line) <= WIDTH or not isinstance(value, (list, Mapping)):
        return [line]
    if isinstance(value, list):
        return [" " * indent + "-", *(one for each in value for one in _item(each, indent + 2))]
    lines = _mapping(value, indent + 2)
    return [head + lines[0][indent + 2 :], *lines[1:]]


def flow(value: Any, *, outermost: bool = False) -> str:
    """A value on one line; of a step with one key the braces are left out where it stands in a list of lines."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{scalar(key)}: {flow(one)}" for key, one in value.items())
        return inner if outermost and len(value) == 1 else f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(flow(one) for one in value)}]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A number, a truth value or a word, quoted where YAML would read another."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if not isinstance(value, str):
        return float.__repr__(value) if isinstance(value, float) else repr(value)
    plain = re.fullmatch(r"[A-Za-z_$./(][\w $./()*+%-]*", value, re.ASCII) and not value.endswith(" ")
    return (
        value
        if plain and isinstance(resolve_scalar(value), str)
        else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )


TALL = ("stem", "head", "stages", "blocks", "shortcuts")
"""Keys of a spec whose values stand one a line."""
BODIES = ("body", "chain")

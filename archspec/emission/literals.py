"""Values of the runtime's dataclasses as the source a person would write: defaults left out, lines wrapped."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from archspec.emission.source import call


def literal(value: Any, indent: int, head: str = "", margin: int = 0) -> str:
    """Source for a value that stands `margin` columns behind `indent`."""
    if is_dataclass(value) and not isinstance(value, type):
        arguments = []
        for field in fields(value):
            item = getattr(value, field.name)
            if item == _default(field):
                continue
            prefix = f"{field.name}=" if field.kw_only or arguments_are_named(value, field) else ""
            arguments.append(prefix + literal(item, indent + 4, margin=len(prefix)))
        return call(f"{head}{type(value).__name__}", arguments, indent)
    if isinstance(value, tuple):
        items = [literal(item, indent + 4) for item in value]
        one_line = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if len(one_line) + indent + margin + 1 <= 100 and "\n" not in one_line:
            return one_line
        pad = " " * (indent + 4)
        return "(\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + ")"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:_}"
    if isinstance(value, str):
        return quoted(value)
    return repr(value)


def quoted(text: str) -> str:
    """A string literal, in double quotes where it holds none."""
    single = repr(text)
    plain = single[1:-1]
    return f'"{plain}"' if single[0] == "'" and '"' not in plain and "\\'" not in plain else single


def names_used(value: Any) -> set[str]:
    """The classes that the source of a value refers to."""
    if isinstance(value, tuple):
        return set().union(*map(names_used, value))
    if not is_dataclass(value):
        return set()
    shown = [getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != _default(f)]
    return {type(value).__name__}.union(*map(names_used, shown))


def arguments_are_named(value: Any, field: Field[Any]) -> bool:
    """Whether a positional field is clearer by name: all but the first."""
    return field.name != fields(value)[0].name and field.name not in ("high", "relation", "value")


def _default(field: Field[Any]) -> Any:
    return field.default if field.default is not MISSING else MISSING

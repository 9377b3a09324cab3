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
            if _is_left_out(item, field):
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
        return str(value) if _home(value) else quoted(value)
    return repr(value)


def quoted(text: str) -> str:
    """A string literal, in double quotes where it holds none."""
    single = repr(text)
    plain = single[1:-1]
    return f'"{plain}"' if single[0] == "'" and '"' not in plain and "\\'" not in plain else single


def names_used(value: Any, module: str) -> set[tuple[str, str]]:
    """What the source of a value refers to: names, each with the module that it is imported from.

    That is `module`, or the `home` of a class or of a name.
    """
    if isinstance(value, tuple):
        return set().union(*(names_used(item, module) for item in value))
    if not is_dataclass(value):
        return {(_home(value), str(value))} if _home(value) else set()
    shown = [getattr(value, f.name) for f in fields(value) if not _is_left_out(getattr(value, f.name), f)]
    here = (_home(value) or module, type(value).__name__)
    return {here}.union(*(names_used(item, module) for item in shown))


def import_lines(names: set[tuple[str, str]]) -> str:
    """The imports of names from modules, as a formatter orders them."""
    lines = []
    for module in sorted({module for module, _ in names}):
        of_it = sorted((name for home, name in names if home == module), key=lambda n: (not n.isupper(), n))
        line = f"from {module} import {', '.join(of_it)}"
        wrapped = f"from {module} import (\n" + "".join(f"    {n},\n" for n in of_it) + ")"
        lines.append(line if len(line) <= 100 else wrapped)
    return "\n".join(lines)


def _home(value: Any) -> str:
    return getattr(value, "home", "")


def _is_left_out(item: Any, field: Field[Any]) -> bool:
    return item == _default(field) and not _home(item)


def arguments_are_named(value: Any, field: Field[Any]) -> bool:
    """Whether a positional field is clearer by name: all but the first."""
    return field.name != fields(value)[0].name and field.name not in ("high", "relation", "value")


def _default(field: Field[Any]) -> Any:
    return field.default if field.default is not MISSING else MISSING

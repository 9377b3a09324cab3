"""The table of operations in the language reference, made from their classes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from archspec.ops.arguments import Padding, Pair
from archspec.ops.base import Op


def operations_table(ops: Mapping[str, type[Op]]) -> str:
    """A row for each operation: its arguments with their defaults, its result, and what it does."""
    rows = ["| operation | arguments | result | what it computes |", "|---|---|---|---|"]
    for kind, op in ops.items():
        told = (op.__doc__ or "").split("\n\n")[0].replace("\n    ", " ")
        rows.append(f"| `{kind}` | {_arguments(op)} | {op.gives} | {told.strip()} |")
    return "\n".join(rows)


def operation_text(kind: str, op: type[Op]) -> str:
    """What an operation is, for a terminal: what it computes, its arguments with their defaults, its result."""
    about = inspect.cleandoc(op.__doc__ or "")
    arguments = [f"  {_argument(field).replace('`', '')}" for field in dataclasses.fields(op)]
    return (
        "\n".join(
            [kind, "", about, "", *(["arguments:", *arguments, ""] if arguments else []), f"result: {op.gives}"]
        )
        + "\n"
    )


def _arguments(op: type[Op]) -> str:
    return ", ".join(_argument(field) for field in dataclasses.fields(op))


def _argument(field: dataclasses.Field[Any]) -> str:
    kind = field.metadata["kind"]
    if isinstance(kind, Padding) and "keeps the size" in kind.absent:
        return f"`{field.name}`"  # it follows from the kernel
    if field.default is dataclasses.MISSING:
        return f"`{field.name}` [h, w]" if isinstance(kind, Pair) else f"`{field.name}`"
    return f"`{field.name}` {_shown(field.default)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return str(value[0])
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)

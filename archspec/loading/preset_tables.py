"""Presets as a table: keys are columns and each row is a preset, as papers list the nets of a family.

presets: {columns: [width, deep, expect.params], table: {small: [64, 2, 4312], large: [128, 4, 30122]}}
"""

from __future__ import annotations

from archspec.diagnostics import Diagnostics
from archspec.ops.arguments import describe
from archspec.syntax.nodes import Node

KEYS = ("columns", "table")
_EXAMPLE = "such as `presets: {columns: [width, deep], table: {small: [64, 2], large: [128, 4]}}`"


def with_preset_table(root: Node, problems: Diagnostics) -> Node:
    """A spec whose presets are a mapping of each; without them where their table is malformed, which is recorded."""
    presets = root.get("presets")
    columns = presets.get("columns") if presets is not None else None
    if presets is None or columns is None or not isinstance(columns.value, list):
        return root
    rows = _rows(presets, columns, problems)
    values = {key: value for key, value in root.items() if key != "presets" or rows is not None}
    if rows is not None:
        values["presets"] = rows
    return Node(values, root.span, root.keys, root.size, root.origin)


def _rows(presets: Node, columns: Node, problems: Diagnostics) -> Node | None:
    further = next((key for key, _ in presets.items() if key not in KEYS), None)
    if further is not None:
        help_ = "write it as a row of `table`"
        problems.add("AS101", f"`{further}` stands beside a table of presets", presets.key_span(further), help_)
        return None
    listed = columns.value if isinstance(columns.value, list) else []
    names = [str(column.value) for column in listed]
    wrong = next((c for c in listed if not isinstance(c.value, str)), None)
    if wrong is not None or not names:
        message = "`columns` lists arguments and dotted keys"
        problems.add("AS103", message, (wrong or columns).span, "such as `columns: [width, expect.params]`")
        return None
    twice = next((c for i, c in enumerate(listed) if c.value in names[:i]), None)
    if twice is not None:
        problems.add("AS107", f"two columns are called `{twice.value}`", twice.span, "take one of them out")
        return None
    table = presets.get("table")
    if table is None:
        problems.add("AS102", "a table of presets needs `table`", columns.span, _EXAMPLE)
        return None
    if not isinstance(table.value, dict):
        problems.add(
            "AS103", f"`table` has a row by each name, not {describe(table.plain())}", table.span, _EXAMPLE
        )
        return None
    found: dict[str, Node] = {}
    for name, row in table.items():
        if not isinstance(row.value, list) or len(row.value) != len(names):
            what = f"{len(row.value)} values" if isinstance(row.value, list) else describe(row.plain())
            message = f"the row `{name}` is {what}, and there are {len(names)} columns"
            problems.add("AS103", message, row.span, f"write [{', '.join(names)}]; `null` leaves a key as it is")
            return None
        cells = {key: cell for key, cell in zip(names, row.value, strict=True) if cell.value is not None}
        found[name] = Node(cells, row.span, {key: cell.span for key, cell in cells.items()})
    return Node(found, table.span, table.keys, presets.size, presets.origin)

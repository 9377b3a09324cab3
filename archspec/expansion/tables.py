"""Tables of rows: blocks whose arguments are columns, as papers print them.

rows: {block: inverted_residual, columns: [expand, width, repeat, stride], table: [[1, 16, 1, 1], [6, 24, 2, 2]]}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from archspec.diagnostics import Diagnostics, Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.language.step import CHAIN, ROWS, STEPS, Cells, Step
from archspec.ops.arguments import describe
from archspec.syntax.identifiers import identifier_fault
from archspec.syntax.nodes import Node, words

KEYS = ("block", "columns", "table", "repeat", "name", "group")
_EXAMPLE = "such as `rows: {block: basic, columns: [width, repeat, stride], table: [[64, 2, 1], [128, 2, 2]]}`"


@dataclass(frozen=True, slots=True, eq=False)
class RowsReader:
    """Reads tables as steps, one for each row; `step` reads the step that all rows have in common."""

    step: Callable[[Node], Step]
    problems: Diagnostics

    def read(self, rows: Node, item: Node) -> tuple[Step, ...] | None:
        """The steps of a table that stands in `item`; None where it is malformed, which is recorded."""
        columns = self._columns(rows) if self._keys(rows) else None
        table = self._table(rows, columns) if columns is not None else None
        if columns is None or table is None:
            return None
        block = rows.get("block")
        assert block is not None
        whole = [
            Cells(dict(zip(columns, cells, strict=True)), place, span) for place, (cells, span) in enumerate(table)
        ]
        blocks = [self._block(block, cells) for cells in whole]
        templates = {id(each): self._template(each, rows, item, columns) for each in blocks}
        applied = tuple({template.callee: None for template in templates.values()})
        idle = self._idle(rows, item, block)
        whole = [replace(cells, idle=idle, applied=() if cells.place else applied) for cells in whole]
        if any(template.broken for template in templates.values()):
            return None
        steps = [
            replace(templates[id(each)], span=cells.span, cells=cells)
            for each, cells in zip(blocks, whole, strict=True)
        ]
        first, *others = steps
        steps = [first, *(replace(step, sources=None, source_spans=()) for step in others)]
        table_of = tuple(steps)
        steps = [replace(step, table=table_of) for step in steps]
        return tuple(self._group(step, rows) for step in steps)

    def _keys(self, rows: Node) -> bool:
        if not isinstance(rows.value, dict):
            self.problems.add("AS103", f"`rows` is a table, not {describe(rows.plain())}", rows.span, _EXAMPLE)
            return False
        for key, _ in rows.items():
            if key not in KEYS:
                help_ = did_you_mean(key, KEYS) or f"a table has {', '.join(f'`{k}`' for k in KEYS)}"
                span = rows.key_span(key)
                self.problems.add(
                    "AS101", f"`rows` has no key `{key}`", span, help_, fix=respelling(span, key, KEYS)
                )
                return False
        if rows.get("block") is None:
            self.problems.add("AS102", "`rows` needs `block`", rows.span, _EXAMPLE)
            return False
        return True

    def _columns(self, rows: Node) -> list[str] | None:
        node = rows.get("columns")
        if node is None:
            self.problems.add("AS102", "`rows` needs `columns`", rows.span, _EXAMPLE)
            return None
        if not isinstance(node.value, list) or not node.value:
            self.problems.add("AS103", "`columns` lists names", node.span, "such as `columns: [width, repeat]`")
            return None
        names: list[str] = []
        for each in node.value:
            fault = identifier_fault(each.value) if isinstance(each.value, str) else "a column is called by a name"
            if fault is not None:
                self.problems.add("AS106", f"{describe(each.plain())} cannot name a column", each.span, fault)
                return None
            if each.value in names:
                self.problems.add(
                    "AS107", f"two columns are called `{each.value}`", each.span, "rename one of them"
                )
                return None
            names.append(str(each.value))
        return names

    def _table(self, rows: Node, columns: list[str]) -> list[tuple[list[Node], Span]] | None:
        node = rows.get("table")
        if node is None:
            self.problems.add("AS102", "`rows` needs `table`", rows.span, _EXAMPLE)
            return None
        if not isinstance(node.value, list) or not node.value:
            example = "such as `table: [[64, 2], [128, 2]]`"
            if isinstance(node.value, str) and node.value.startswith("$"):
                help_ = f"declare it in the `args` of the spec: `{node.value[1:]}: [[64, 2], [128, 2]]`"
                message = f"`{node.value[1:]}` is no argument of the spec that lists rows"
                self.problems.add("AS103", message, node.span, help_)
                return None
            is_name = isinstance(node.value, str) and node.value.isidentifier()
            help_ = f"{example}; an argument that holds them is `${node.value}`" if is_name else example
            self.problems.add("AS103", "`table` lists rows", node.span, help_)
            return None
        table: list[tuple[list[Node], Span]] = []
        for row in node.value:
            if len(columns) == 1 and not isinstance(row.value, (list, dict)):
                table.append(([row], row.span))
                continue
            if not isinstance(row.value, list):
                message = f"a row of the table is a list, not {describe(row.plain())}"
                self.problems.add("AS103", message, row.span, f"write [{', '.join(columns)}]")
                return None
            if len(row.value) != len(columns):
                message = f"this row has {len(row.value)} of the {len(columns)} columns"
                self.problems.add("AS103", message, row.span, f"write [{', '.join(columns)}]")
                return None
            table.append((row.value, row.span))
        return table

    def _idle(self, rows: Node, item: Node, block: Node) -> tuple[Node, ...]:
        """The columns that no expression of the table reads; of a list of steps, which takes no arguments, they are recorded."""
        read = {"repeat"} if rows.get("repeat") is None else set[str]()
        for node in (
            rows.get("repeat"),
            rows.get("name"),
            rows.get("group"),
            block,
            item.get("when"),
            item.get("init"),
        ):
            read |= set(words(node))
        columns = rows.get("columns")
        named = columns.value if columns is not None and isinstance(columns.value, list) else []
        idle = [each for each in named if str(each.value) not in read]
        for each in idle if isinstance(block.value, list) else ():
            self.problems.add(
                "AS313", f"no step reads the column `{each.value}`", each.span, "take it out, or use it"
            )
        return () if isinstance(block.value, list) else tuple(idle)

    def _block(self, block: Node, cells: Cells) -> Node:
        """What a row applies: the block of all rows, or that of the column which `$name` stands for."""
        only = (
            next(iter(block.value), None)
            if isinstance(block.value, dict) and len(block.value) == 1
            else block.value
        )
        column = only.removeprefix("$") if isinstance(only, str) and only.startswith("$") else ""
        cell = cells.nodes.get(column)
        if cell is None or not isinstance(cell.value, str):
            return block
        if not isinstance(block.value, dict):
            return cell
        (args,) = block.value.values()
        return Node({cell.value: args}, block.span, {cell.value: cell.span})

    def _template(self, block: Node, rows: Node, item: Node, columns: list[str]) -> Step:
        """What all rows apply: the block as a step with the table's `repeat` and `name`, and the modifiers around it."""
        if isinstance(block.value, list):
            applied = {STEPS: block}
            if (name := rows.get("name")) is not None:
                help_ = "name the steps; `group` names the chain of each row"
                self.problems.add("AS305", "`name` is that of one block, and these are steps", name.span, help_)
                return Step(STEPS, block.span, broken=True)
        elif isinstance(block.value, str):
            applied = {block.value: Node(None, block.span)}
        else:
            applied = dict(block.items())
        keys = {**item.keys, **(block.keys or dict.fromkeys(applied, block.span))}
        step: dict[str, Node] = {k: v for k, v in item.items() if k in ("from", "when")}
        if (name := rows.get("name")) is not None and len(applied) == 1:
            step[str(name.value)] = Node(applied, block.span, keys)
            keys[str(name.value)] = name.span
        else:
            step |= applied
        repeat = rows.get("repeat")
        if repeat is not None:
            step["repeat"], keys["repeat"] = repeat, rows.key_span("repeat")
        elif "repeat" in columns:
            step["repeat"], keys["repeat"] = Node("repeat", rows.span), rows.span
        return self.step(Node(step, block.span, keys))

    def _group(self, step: Step, rows: Node) -> Step:
        """A row as a chain of its own, where the table says so."""
        group = rows.get("group")
        if group is None or group.value is False or step.cells is None:
            return step
        name = None if group.value is True else str(group.value)
        cells = replace(step.cells, known=True)
        inner = replace(step, cells=cells, table=(), sources=None, source_spans=(), when=None, when_span=None)
        return Step(
            CHAIN,
            step.span,
            name,
            group.span if name else None,
            chain=(inner,),
            sources=step.sources,
            source_spans=step.source_spans,
            when=step.when,
            when_span=step.when_span,
            cells=step.cells,
            table=step.table,
        )


__all__ = ["ROWS", "RowsReader"]

"""Arguments as a spec gives them: by a step, by the cells of a row, by a role and by `defaults`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import Span
from archspec.diagnostics.fixes import certain
from archspec.expansion.declarations import Signature
from archspec.language.step import Cells, Step
from archspec.language.values import mentioned
from archspec.ops import OPS, Op
from archspec.syntax.expressions import Symbol
from archspec.syntax.nodes import Node


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Arguments as the spec gives them, with the place of each key and of the call."""

    nodes: Mapping[str, Node]
    keys: Mapping[str, Span]
    span: Span
    beside: tuple[str, ...] = ()  # what may stand beside the arguments, such as the keys of a stage
    below: Collection[str] = ()  # the arguments that come from a role or from `defaults`
    guessed: bool = False  # whether what they are given to was misspelt, so that they may be right for another

    def over(self, base: Given | None) -> Given:
        """The same with other arguments below."""
        if base is None:
            return self
        below = {*self.below, *(base.nodes.keys() - self.nodes.keys())}
        nodes, keys = {**base.nodes, **self.nodes}, {**base.keys, **self.keys}
        return Given(nodes, keys, self.span, self.beside, below, self.guessed)


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """The values of arguments, and how each was written where by an expression."""

    values: dict[str, Any]
    symbols: dict[str, Symbol]


def given_by(step: Step) -> Given:
    """The arguments of a step."""
    return Given(step.args, step.keys, step.span, guessed=step.guessed)


def with_cells(given: Given, step: Step, signature: Signature, scope: Collection[str] = ()) -> Given:
    """The same with the cells of a row below, as far as they are arguments.

    What was computed into `scope` goes by the name of its column: a cell sees the names around the table, and not the others.
    """
    if step.cells is None:
        return given
    nodes = {k: node for k, node in step.cells.nodes.items() if k in signature.kinds}
    misspelt = {str(c.value): c for c in step.cells.idle if surely_meant_column(c, signature.kinds, step.cells)}
    for key, node in nodes.items():
        is_expression = isinstance(node.value, str) and signature.kinds[key].takes_expressions
        if is_expression and key in scope and mentioned(node.value) <= set(scope):
            nodes[key] = Node(key, node.span)
    nodes |= {k: step.cells.nodes[k] for k in misspelt}
    keys = {k: misspelt[k].span if k in misspelt else node.span for k, node in nodes.items()}
    return given.over(Given(nodes, keys, given.span)) if nodes else given


def surely_meant_column(column: Node, known: Collection[str], cells: Cells) -> bool:
    """Whether a column is surely a misspelt argument, which is then told as one."""
    name = str(column.value)
    return name not in known and certain(name, set(known) - cells.nodes.keys()) is not None


def signature_of(kind: str) -> Signature:
    """What an operation takes."""
    op = OPS[kind]
    if op not in _SIGNATURES:
        _SIGNATURES[op] = Signature(kind, op.arguments(), op.required())
    return _SIGNATURES[op]


_SIGNATURES: dict[type[Op], Signature] = {}

"""From the arguments that a step gives to those that an operation or block takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import Diagnostics, Related, Span, did_you_mean
from archspec.expressions import ExpressionError, Value
from archspec.ir import Symbol
from archspec.library import Argument, Declaration
from archspec.numbers import compute
from archspec.ops import OPS, ArgumentError, Op
from archspec.ops.fields import Kind
from archspec.reader import Node


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Arguments as the spec gives them, with the place of each key and of the call."""

    nodes: Mapping[str, Node]
    keys: Mapping[str, Span]
    span: Span

    def over(self, base: Mapping[str, Node]) -> Given:
        """The same with defaults below."""
        return Given({**base, **self.nodes}, self.keys, self.span)


class Binder:
    """Evaluates arguments; mistakes are recorded with the chain of uses that led to them."""

    def __init__(self, problems: Diagnostics, defaults: Mapping[str, Mapping[str, Node]]) -> None:
        self.problems = problems
        self.defaults = defaults
        self.uses: list[Related] = []

    def add(
        self, code: str, message: str, span: Span, help: str | None = None, related: Iterable[Related] = ()
    ) -> None:
        """Record a mistake inside the blocks that are being expanded."""
        self.problems.add(code, message, span, help, [*related, *reversed(self.uses)])

    def operation(self, kind: str, given: Given, scope: Mapping[str, Value]) -> tuple[Op | None, dict[str, Symbol]]:
        """Make an operation; None where an argument is wrong."""
        cls = OPS[kind]
        given = given.over(self.defaults.get(kind, {}))
        kinds = cls.arguments()
        before = len(self.problems)
        values, symbols = self._values(kind, given, kinds, scope)
        for name in cls.required():
            if name not in given.nodes:
                self.add("AS304", f"`{kind}` needs `{name}`", given.span)
        if len(self.problems) > before:
            return None, symbols
        try:
            return cls.of(values), symbols
        except ArgumentError as error:
            self.add(error.code, str(error), given.span, error.help)
            return None, symbols

    def arguments(
        self, declaration: Declaration, given: Given, scope: Mapping[str, Value], implicit: Mapping[str, Value]
    ) -> tuple[dict[str, Value] | None, dict[str, Symbol]]:
        """The values of a block's arguments, `implicit` ones included; None where one is wrong."""
        name = declaration.definition.name
        given = given.over(self.defaults.get(name, {}))
        before = len(self.problems)
        values, symbols = self._values(name, given, {k: a.kind for k, a in declaration.arguments.items()}, scope)
        bound: dict[str, Value] = dict(implicit)
        for key, argument in declaration.arguments.items():
            if key in values:
                bound[key] = values[key]
            elif key not in given.nodes and key not in implicit:
                self._default(declaration, key, argument, bound, given.span)
        return (bound if len(self.problems) == before else None), symbols

    def _default(
        self, declaration: Declaration, key: str, argument: Argument, bound: dict[str, Value], span: Span
    ) -> None:
        if argument.default is None:
            declared = Related("declared here", declaration.span)
            self.add("AS304", f"`{declaration.definition.name}` needs `{key}`", span, None, [declared])
            return
        value = self._compute(argument.default.plain(), argument.kind, bound, key, argument.default.span)
        if value is not None:
            bound[key] = value[0]

    def _values(
        self, callee: str, given: Given, kinds: Mapping[str, Kind], scope: Mapping[str, Value]
    ) -> tuple[dict[str, Any], dict[str, Symbol]]:
        values: dict[str, Any] = {}
        symbols: dict[str, Symbol] = {}
        for name, node in given.nodes.items():
            if name not in kinds:
                span = given.keys.get(name, node.span)
                help_ = did_you_mean(name, kinds) if kinds else f"`{callee}` takes none"
                self.add("AS303", f"`{callee}` has no argument `{name}`", span, help_)
                continue
            result = self._compute(node.plain(), kinds[name], scope, name, node.span)
            if result is not None:
                values[name] = result[0]
                if result[1] is not None:
                    symbols[name] = result[1]
        return values, symbols

    def _compute(
        self, raw: object, kind: Kind, scope: Mapping[str, Value], name: str, span: Span
    ) -> tuple[Any, Symbol | None] | None:
        try:
            return compute(raw, kind, scope)
        except ArgumentError as error:
            self.add(error.code, f"`{name}`: {error}", span, error.help)
        except ExpressionError as error:
            help_ = did_you_mean(error.name, scope) if error.name else None
            self.add(error.code, f"`{name}`: {error}", span, help_)
        return None

"""Block and shortcut declarations: those of the spec, and the standard library's, read when they are first used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from archspec.diagnostics import Diagnostics, Span, did_you_mean
from archspec.expressions import Expr, ExpressionError, parse
from archspec.ir import Definition
from archspec.language import BlockModel
from archspec.names import class_name, identifier_fault
from archspec.ops import OPS
from archspec.ops.fields import Choice, Flag, Int, Kind, Real
from archspec.reader import Node, read_file
from archspec.resolve import record_validation
from archspec.steps import Step, parse_step, parse_steps

STANDARD = Path(__file__).parent / "blocks"
ROLES = ("norm", "act")
Sort = Literal["blocks", "shortcuts"]

_TYPES: dict[str, Kind] = {"int": Int(0), "float": Real(), "bool": Flag()}


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """A declared argument: what it accepts and what it is when not given."""

    kind: Kind
    default: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """A block or shortcut as declared, its steps parsed but nothing evaluated."""

    definition: Definition
    arguments: dict[str, Argument]
    body: tuple[Step, ...]
    join: tuple[Step, ...] | None
    merge: Step | None
    after: tuple[Step, ...]
    when: Expr | None
    member: str
    shortcut: Node | None
    span: Span


class Library:
    """Finds declarations by name; each is parsed once."""

    def __init__(self, root: Node, problems: Diagnostics) -> None:
        self.problems = problems
        self.own: dict[Sort, Node | None] = {"blocks": root.get("blocks"), "shortcuts": root.get("shortcuts")}
        self.found: dict[tuple[Sort, str], Declaration | None] = {}

    def names(self, sort: Sort) -> list[str]:
        """All blocks or all shortcuts that a spec can use."""
        folder = STANDARD if sort == "blocks" else STANDARD / "shortcuts"
        own = self.own[sort]
        return sorted({path.stem for path in folder.glob("*.yaml")} | {k for k, _ in (own.items() if own else [])})

    def callable(self, name: str) -> bool:
        """Whether a name is an operation, a role or a block."""
        return name in OPS or name in ROLES or self.has("blocks", name)

    def words(self) -> list[str]:
        """All names that a step can apply."""
        return [*OPS, *ROLES, *self.names("blocks")]

    def has(self, sort: Sort, name: str) -> bool:
        """Whether there is a block or shortcut of this name."""
        own = self.own[sort]
        return (own is not None and own.get(name) is not None) or _standard(sort, name).is_file()

    def get(self, sort: Sort, name: str) -> Declaration | None:
        """A declaration by name, None where it does not exist or is malformed."""
        key = (sort, name)
        if key not in self.found:
            own = self.own[sort]
            node = own.get(name) if own else None
            if node is None and self.has(sort, name):
                node = read_file(
                    _standard(sort, name),
                    f"archspec/{_standard(sort, name).relative_to(STANDARD.parent)}",
                    self.problems,
                )
            self.found[key] = self._declare(name, node, sort) if node else None
        return self.found[key]

    def check_own(self) -> None:
        """Parse the spec's own declarations, used or not, so that their mistakes are found."""
        for sort, node in self.own.items():
            for name, _ in node.items() if node else []:
                self.get(sort, name)

    def _declare(self, name: str, node: Node, sort: Sort) -> Declaration | None:
        try:
            model = BlockModel.model_validate(node.plain())
        except ValidationError as error:
            record_validation(error, node, BlockModel, {}, self.problems)
            return None
        if sort == "blocks" and name in (*OPS, *ROLES):
            self.problems.add(
                "AS107", f"`{name}` is an operation or role already", node.span, "choose another name"
            )
        body = self._steps(node, "body")
        join = self._steps(node, "join") if model.join is not None else None
        positional = (
            join is None
            and model.merge is None
            and not model.after
            and all(s.name is None and s.sources is None for s in body)
        )
        declared = node.get("args")
        arguments = {
            k: a for k, v in (declared.items() if declared else []) if (a := self._argument(k, v)) is not None
        }
        merge = node.get("merge")
        after = self._steps(node, "after")
        definition = Definition(
            name=name,
            class_name=model.class_name or class_name(name),
            doc=" ".join(model.doc.split()),
            arguments=tuple(arguments),
            defaults={k: a.default.value for k, a in arguments.items()
                      if a.default is not None and isinstance(a.default.value, (str, int, float))},
            positional=positional and bool(body),
            out=self._expression(node.get("out")),
        )  # fmt: skip
        return Declaration(
            definition=definition,
            arguments=arguments,
            body=body,
            join=join,
            merge=parse_step(merge, self.callable, self.words, self.problems) if merge and merge.value else None,
            after=after,
            when=self._expression(node.get("when")),
            member=model.name or "shortcut",
            shortcut=node.get("shortcut"),
            span=node.span,
        )

    def _steps(self, node: Node, key: str) -> tuple[Step, ...]:
        return parse_steps(node.get(key), self.callable, self.words, self.problems)

    def _expression(self, node: Node | None) -> Expr | None:
        if node is None or node.value is None:
            return None
        text = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        try:
            return parse(text)
        except ExpressionError as error:
            self.problems.add(error.code, str(error), node.span)
            return None

    def _argument(self, name: str, node: Node) -> Argument | None:
        value = node.value
        if fault := identifier_fault(name):
            self.problems.add("AS106", f"`{name}` cannot name an argument", node.span, fault)
        elif isinstance(value, str) and value in _TYPES:
            return Argument(_TYPES[value], None)
        elif isinstance(value, bool):
            return Argument(Flag(), node)
        elif isinstance(value, int):
            return Argument(Int(0), node)
        elif isinstance(value, float):
            return Argument(Real(), node)
        elif isinstance(value, list) and value and all(isinstance(v.value, str) for v in value):
            return Argument(Choice(tuple(str(v.value) for v in value)), value[0])
        elif isinstance(value, str) and re.search(r"[-+*/%(\s]", value):
            return Argument(Int(0), node)  # an expression in the arguments before it
        else:
            help_ = did_you_mean(str(value), _TYPES) or "give a type, a default, or a list of words"
            self.problems.add("AS103", f"`{name}` declares no type that arguments have", node.span, help_)
        return None


def _standard(sort: Sort, name: str) -> Path:
    return (
        STANDARD if sort == "blocks" else STANDARD / "shortcuts"
    ) / f"{name if name.isidentifier() else '-'}.yaml"


__all__ = ["ROLES", "Argument", "Declaration", "Library"]

"""Blocks and shortcuts as they are declared: what they take, and the steps that they are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from archspec.diagnostics import Related, Span
from archspec.ir import Definition
from archspec.language.step import Step
from archspec.ops.arguments import Kind
from archspec.syntax.expressions import Expr, Value
from archspec.syntax.nodes import Node

Sort = Literal["blocks", "shortcuts"]
IMPLICIT: dict[Sort, tuple[str, ...]] = {
    "blocks": ("in_channels",),
    "shortcuts": ("in_channels", "out_channels", "stride"),
}
"""What a declaration of each sort knows beside its arguments."""

RESIDUAL = "residual"
"""An argument of blocks that add by themselves: false where the shortcut of their stage or of the spec is `none`."""

INPUT = ("input",)
"""The inputs of a declaration that names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """A declared argument: what it accepts and what it is when not given."""

    kind: Kind
    default: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """The arguments that something takes: its name, the kind of each, those it needs, and where it is declared."""

    name: str
    kinds: Mapping[str, Kind]
    required: Collection[str]
    declared: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """A block or shortcut as declared, its steps parsed but nothing evaluated.

    It is not sound where a mistake in it, which is recorded, leaves open what it takes and does.
    """

    definition: Definition
    arguments: dict[str, Argument]
    implicit: tuple[str, ...]
    around: Mapping[str, Value]  # the arguments of the spec that a declaration of its own sees
    first: Literal["branch", "shortcut"]
    body: tuple[Step, ...]
    join: tuple[Step, ...] | None
    merge: Step | None
    after: tuple[Step, ...]
    when: Expr | None
    otherwise: Literal["input", "none"]
    member: str
    shortcut: Node | None
    span: Span
    out_span: Span
    when_span: Span
    sound: bool
    inputs: tuple[str, ...] = ("input",)
    outputs: tuple[Node, ...] = ()  # names of its steps, whose values it gives

    @property
    def signature(self) -> Signature:
        """What a use of it has to give."""
        return _signature(self)


@lru_cache(maxsize=1024)
def _signature(declaration: Declaration) -> Signature:
    required = [k for k, a in declaration.arguments.items() if a.default is None and k not in declaration.implicit]
    kinds = {k: a.kind for k, a in declaration.arguments.items()}
    return Signature(declaration.definition.name, kinds, required, (Related("declared here", declaration.span),))

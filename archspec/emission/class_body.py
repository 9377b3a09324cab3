"""The parts of one emitted class: its constructor's parameters and statements, and its forward pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from archspec.diagnostics import Span
from archspec.emission.block_classes import condition
from archspec.emission.construct import Constructor
from archspec.emission.containers import (
    attribute_of,
    held_by,
    leaves,
    variable_of,
)
from archspec.emission.dataflow import Flow, flow, is_named, kind_of
from archspec.emission.forward import INDENT, Forward
from archspec.emission.kept import Kept
from archspec.emission.outline import BlockClass, Member, Parameter
from archspec.emission.sequences import is_numbered, parts, repeated
from archspec.emission.source import WIDTH, lay_out, number
from archspec.emission.splits import splits
from archspec.emission.write_containers import ContainerWriter
from archspec.ir import Block, Chain
from archspec.ops import Op
from archspec.syntax.expressions import Apply, Expr, Literal, Name, render
from archspec.syntax.identifiers import containers

Spans = tuple[Span, ...]
Origin = tuple[str, tuple[Spans, ...]]
"""A statement, and where the spec or the library says the steps that each of its lines is of; in the order of the source."""


@dataclass(frozen=True, slots=True)
class ClassText:
    """What a template lays out."""

    name: str
    doc: str
    parameters: list[str]
    statements: list[str]
    inputs: list[str]
    forward_doc: str
    forward: list[str]
    base: str = ""  # the sequence that it is a class of, whose forward pass it has
    returns: str = ""  # the type of what comes out, where it is not an array
    origins: tuple[Origin, ...] = ()


class Writer:
    """Writes the classes of one outline."""

    def __init__(self, constructor: Constructor) -> None:
        self.constructor = constructor
        self.outline, self.dialect = constructor.outline, constructor.dialect

    def write(self, cls: BlockClass, doc: str, forward_doc: str) -> ClassText:
        """The parts of a class."""
        if cls.definition.positional:
            return self._write_sequence(cls, doc)
        trace = flow(cls, self.dialect.words)
        kept = Kept({attribute_of(m.call.name) for m in cls.members})
        branches = [m for m in cls.members if self._is_branch(m)]
        conditions = {
            m.call.name: kept.expression(m.when, 3, condition(m.call)) for m in branches if m.when is not None
        }
        flags = {text: m.when for m in branches if m.when and kept.keeps(text := conditions[m.call.name])}
        origins, layer_of = self._layers(cls, trace, flags)
        made = list(origins)

        def attribute(member: Member, name: str) -> str:
            symbol = member.numbers[name]
            text = number(symbol)
            if isinstance(symbol, Literal) or text.strip("(), 0123456789") == "":
                return text
            return kept.expression(symbol, 2, name, f"{variable_of(member.call.name)}_{name}")

        forward = Forward(self.dialect, trace, layer_of, attribute, tuple(splits(cls)), conditions)
        body = forward.write()
        for line, members in sorted(forward.members.items()):
            applied = tuple(self._spans(members))
            origins.setdefault(body[line], (applied,) * (body[line].count("\n") + 1))
        asked = {flag for flag in flags for layer in made if re.search(rf"{re.escape(flag)}\b", layer)}
        first = [text for text in kept.statements if text.partition(" ")[0] in asked]  # which layers ask for
        statements = [*first, *made, *(text for text in kept.statements if text not in first)]
        if self.dialect.training_state is not None and any(o.train_only for o in trace.outputs):
            statements.append(self.dialect.training_state)
        computed = [f"{name} = {render(expr, {})}" for name, expr in cls.computed.items()]
        return ClassText(
            name=cls.name,
            doc=doc,
            parameters=[*map(_parameter, cls.parameters), *self.dialect.more_parameters(cls)],
            statements=computed + statements,
            inputs=[f"{variable}: {self.dialect.array}" for variable in trace.inputs.values()],
            forward_doc=forward_doc,
            forward=body,
            returns=self._returns(trace),
            origins=tuple(origins.items()),
        )

    def _by_line(self, text: str, whole: Spans) -> tuple[Spans, ...]:
        """For each line of a statement the steps that all of it is of, and the layers of sequences that stand on it."""
        lines = [list(whole) for _ in range(text.count("\n") + 1)]
        for sequence, layers in self.constructor.sequences.items():
            place = text.find(sequence)
            for layer, members in layers if place >= 0 else ():
                place = text.index(layer, place)
                first = text.count("\n", 0, place)
                for line in lines[first : first + layer.count("\n") + 1]:
                    line += (member.call.span for member in members)
                place += len(layer)
        return tuple(map(tuple, lines))

    def _spans(self, members: Iterable[Member]) -> Iterator[Span]:
        """Where members are said, and what is written where they stand."""
        for member in members:
            yield member.call.span
            target = member.call.target
            blocks = [run.block for run in target.runs] if isinstance(target, Chain) else [target]
            for block in blocks:
                if isinstance(block, Block) and self.constructor.is_inline(cls := self.outline.of[block]):
                    yield from self._spans(cls.members)

    def _returns(self, trace: Flow) -> str:
        """The type of what a forward pass gives."""
        if trace.outputs:
            return f"dict[str, {self.dialect.array}]"
        return f"tuple[{self.dialect.array}, ...]" if trace.taps else self.dialect.array

    def _write_sequence(self, cls: BlockClass, doc: str) -> ClassText:
        """The parts of a class of layers one after the other."""
        numbered = is_numbered(cls.members)
        base, *calls = (self.dialect.sequence,) if numbered else self.dialect.named_sequence
        found = list(parts(cls.members, self.outline.of))
        if cls.count is not None:
            found = [repeated(cls.members[0], cls.count.name)]
        self.constructor.sequences.clear()
        made = self.constructor.sequence(found, numbered, INDENT, "", ("super().__init__", *calls))
        return ClassText(
            name=cls.name,
            doc=doc,
            parameters=[*map(_parameter, cls.parameters), *self.dialect.more_parameters(cls)],
            statements=[*(f"{name} = {render(expr, {})}" for name, expr in cls.computed.items()), made],
            inputs=[],
            forward_doc="",
            forward=[],
            base=base,
            origins=((made, self._by_line(made, ())),),
        )

    def _is_branch(self, member: Member) -> bool:
        """Whether a forward pass asks for the condition of a member: what is no layer is there only where it is applied."""
        kind = kind_of(member)
        several = len(member.call.inputs) > 1
        return member.when is not None and (several or (kind is not None and kind not in self.dialect.in_sequence))

    def _layers(
        self, cls: BlockClass, trace: Flow, flags: Mapping[str, Expr]
    ) -> tuple[dict[str, tuple[Spans, ...]], dict[str, str]]:
        """The statements that make the layers of a class, each with its origin, and the attribute that each is found under.

        `flags` are the conditions that the class keeps, by what keeps them.
        """
        statements: dict[str, tuple[Spans, ...]] = {}
        layer_of: dict[str, str] = {}
        made: dict[str, str] = {}
        in_place = self._in_place(cls, trace)
        holders = ContainerWriter(self.constructor, in_place)
        layers = list(self._kept(cls))
        for member in layers:
            name, target = member.call.name, member.call.target
            self.constructor.sequences.clear()
            tensor = isinstance(target, Op) and target.holds_tensor
            attribute = self.dialect.tensor_attribute(name) if tensor else name
            head = f"self.{attribute} = "
            if containers(name):
                layer_of[name] = self.dialect.reached(name)
                root = attribute_of(name)
                if root not in made:
                    made[root] = root
                    held = held_by(root, layers)
                    text = holders.container(root, held)
                    statements[text] = (tuple(self._spans(leaves(held))),) * (text.count("\n") + 1)
                continue
            if member.when is not None:
                text = self._conditional(head, member, in_place, flags)
                statements[text] = self._by_line(text, (member.call.span,))
                layer_of[name] = attribute
                continue
            if isinstance(target, Op):
                text = lay_out(head, self.dialect.attribute(member, target.kind in in_place), INDENT)
            else:
                text = self.constructor.construct(member, INDENT, in_place, head)
            key = text.removeprefix(head)
            shared = _is_stateless(member) and not is_named(member)
            layer_of[name] = made.setdefault(key, attribute) if shared else attribute
            if layer_of[name] != attribute:
                text = f"self.{layer_of[name]} = {key}"
            before = statements.get(text, ((),) * (text.count("\n") + 1))
            found = self._by_line(text, (member.call.span,))
            statements[text] = tuple((*a, *b) for a, b in zip(before, found, strict=True))
        again = {m.call.name: m.call.owner for m in cls.members if m.call.owner is not None}
        return statements, layer_of | {name: layer_of[owner] for name, owner in again.items()}

    def _kept(self, cls: BlockClass) -> Iterator[Member]:
        """The members that are layers; functions are in lists of layers, where each place has what is called by its number."""
        members = [m for m in cls.members if not self._is_branch(m) and m.call.owner is None]
        kept = [m for m in members if m.when is not None or self.dialect.is_kept(m)]
        lists = {m.call.name.rpartition(".")[0] for m in kept if m.call.name.rpartition(".")[2].isdigit()} - {""}
        for member in members:
            beside = member.call.name.rpartition(".")[0] in lists and len(member.call.inputs) == 1
            if member in kept or (beside and kind_of(member) in self.dialect.in_sequence):
                yield member

    def _in_place(self, cls: BlockClass, trace: Flow) -> set[str]:
        """Activations that may overwrite their input wherever the class applies them."""
        return {
            kind
            for m in cls.members
            if (kind := kind_of(m)) is not None and kind in self.dialect.in_place
            and all(
                trace.overwritable(trace.sources[o.call.name][0], self.dialect.overwritable)
                for o in cls.members if kind_of(o) == kind
            )
        }  # fmt: skip

    def _conditional(self, head: str, member: Member, in_place: set[str], flags: Mapping[str, Expr]) -> str:
        """A member that is there only under its condition, wrapped as a formatter would."""
        made = self.constructor.construct(member, INDENT + 4, in_place)
        if made.startswith("lambda "):
            made = f"({made})"
        assert member.when is not None
        when = render(_asked(member.when, flags), {})
        otherwise = f"else {self.dialect.identity}"
        whole = f"{made} if {when} {otherwise}"
        pad = " " * (INDENT + 4)
        if "\n" not in made and INDENT + len(head) + len(whole) <= WIDTH:
            return head + whole
        if "\n" not in made and len(pad) + len(whole) <= WIDTH:
            return f"{head}(\n{pad}{whole}\n{pad[4:]})"
        return f"{head}(\n{pad}{made}\n{pad}if {when}\n{pad}{otherwise}\n{pad[4:]})"


def _asked(when: Expr, flags: Mapping[str, Expr]) -> Expr:
    """A condition, with what the class keeps of it asked for by its name."""
    parts = [*_conjuncts(when)]
    for flag, kept in flags.items():
        own = [*_conjuncts(kept)]
        if len(own) > 1 and all(part in parts for part in own):
            rest = [part for part in parts if part not in own]
            return reduce(lambda one, other: Apply("and", (one, other)), [*rest, Name(flag)])
    return when


def _conjuncts(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, Apply) and expr.op == "and":
        for operand in expr.operands:
            yield from _conjuncts(operand)
    else:
        yield expr


def _parameter(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.kind}{default}"


def _is_stateless(member: Member) -> bool:
    """Whether one layer is enough where a class has several alike."""
    target = member.call.target
    return isinstance(target, Op) and not target.has_state(*member.call.input_shapes)

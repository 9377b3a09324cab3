"""Block and shortcut declarations: those of the spec, and the standard library's, read when they are first used."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from archspec.blocks import FOLDER, blocks, shortcuts
from archspec.diagnostics import Diagnostics, Span
from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.declarations import IMPLICIT, INPUT, Argument, Declaration, Sort
from archspec.expansion.misspelt_arguments import names_used, respelt
from archspec.expansion.parse_steps import StepParser
from archspec.ir import Definition
from archspec.language import BlockModel
from archspec.language.layers import LayerKind
from archspec.language.spec import ROLES
from archspec.language.step import Step
from archspec.loading.validation import record_validation
from archspec.ops import MERGES, OPS
from archspec.ops.arguments import Choice, Flag, Int, Kind, Pair, Real
from archspec.syntax.expressions import Expr, ExpressionError, Value
from archspec.syntax.identifiers import class_name
from archspec.syntax.nodes import Node
from archspec.syntax.parse import parse
from archspec.syntax.reader import read_file

_DECLARE = "give a type, a default, or a list of words"
_TYPES: dict[str, Kind] = {"int": Int(0), "float": Real(), "bool": Flag(), "pair": Pair(0), "layer": LayerKind()}


def _default(argument: Argument) -> Value | None:
    """A default as source writes it; None where it is none, or a layer."""
    node = argument.default
    if node is None or isinstance(argument.kind, LayerKind):
        return None
    if isinstance(node.value, list) and isinstance(argument.kind, Pair):
        high, wide = (int(side.value) for side in node.value if isinstance(side.value, int))
        return high, wide
    return node.value if isinstance(node.value, (str, int, float)) else None


def _kind_of(value: Value) -> Kind:
    """What an argument of the spec is to defaults of blocks."""
    if isinstance(value, bool):
        return Flag()
    return Choice() if isinstance(value, str) else Real() if isinstance(value, float) else Int(0)


class Library:
    """Finds declarations by name; each is parsed once."""

    def __init__(
        self, root: Node, problems: Diagnostics, lost: Collection[tuple[str, ...]] = (),
        scope: Mapping[str, Value] | None = None,
    ) -> None:  # fmt: skip
        self.problems = problems
        self.scope = scope or {}
        self.lost = lost
        self.root = root
        self.parser = StepParser(self.callable, self.words, problems, self.takes_layer)
        self.own: dict[Sort, Node | None] = {"blocks": root.get("blocks"), "shortcuts": root.get("shortcuts")}
        self.found: dict[tuple[Sort, str], Declaration | None] = {}

    def names(self, sort: Sort) -> list[str]:
        """All blocks or all shortcuts that a spec can use."""
        own = self.own[sort]
        return sorted({*_standard(sort), *(k for k, _ in (own.items() if own else []))})

    def callable(self, name: str) -> bool:
        """Whether a name is an operation, a role or a block."""
        return name in OPS or name in ROLES or self.has("blocks", name)

    def takes_layer(self, name: str, argument: str) -> bool:
        """Whether a block declares an argument of this name that is a layer; a spec's own may not have been read yet."""
        own = self.own["blocks"]
        node = own.get(name) if own is not None else None
        if node is None:
            standard = self.get("blocks", name) if name in _standard("blocks") else None
            known = standard.arguments.get(argument) if standard is not None else None
            return known is not None and isinstance(known.kind, LayerKind)
        declared = args.get(argument) if (args := node.get("args")) is not None else None
        return declared is not None and (declared.value == "layer" or declared.get("layer") is not None)

    def words(self) -> list[str]:
        """All names that a step can apply."""
        return [*OPS, *ROLES, *self.names("blocks")]

    def has(self, sort: Sort, name: str) -> bool:
        """Whether there is a block or shortcut of this name, be it malformed."""
        own = self.own[sort]
        declared = own is not None and own.get(name) is not None
        lost = (sort, name) in self.lost or (sort,) in self.lost
        return declared or lost or name in _standard(sort)

    def get(self, sort: Sort, name: str) -> Declaration | None:
        """A declaration by name, None where it does not exist or is malformed."""
        key = (sort, name)
        if key not in self.found:
            own = self.own[sort]
            node, path = own.get(name) if own else None, _standard(sort).get(name)
            if own is not None and node is not None:
                self.found[key] = self._declare(name, node, sort, own.key_span(name), self.scope)
            else:
                self.found[key] = None if path is None else self._read(sort, name, path)
        return self.found[key]

    def _read(self, sort: Sort, name: str, path: Path) -> Declaration | None:
        """A declaration of the standard library."""
        node = read_file(path, f"archspec/{path.relative_to(FOLDER.parent)}", self.problems, library=True)
        declaration, problems = (None, ()) if node is None else _standard_declaration(sort, name, node)
        self.problems.extend(problems)
        return declaration

    def check_own(self) -> list[Declaration]:
        """Parse the spec's own declarations, used or not, so that their mistakes are found; those that are sound."""
        own = [(sort, name) for sort, node in self.own.items() for name, _ in (node.items() if node else [])]
        declarations = [self.get(sort, name) for sort, name in own]
        return [d for d in declarations if d is not None and d.sound]

    def _declare(
        self, name: str, node: Node, sort: Sort, span: Span, around: Mapping[str, Value]
    ) -> Declaration | None:
        try:
            model = BlockModel.model_validate(node.plain())
        except ValidationError as error:
            record_validation(error, node, BlockModel, {}, self.problems)
            return None
        if sort == "blocks" and name in (*OPS, *ROLES):
            self.problems.add("AS107", f"`{name}` is an operation or role already", span, "choose another name")
        chain = node.get("chain")
        before = self.problems.met
        inputs, outputs = self._several(name, node, sort)
        named = self.problems.met == before
        implicit = (*IMPLICIT[sort], *(f"{each}_channels" for each in inputs if inputs != INPUT))
        beside = [
            key for key in ("body", "join", "merge", "after") if chain is not None and node.get(key) is not None
        ]
        if beside:
            message = f"`{name}` is a `chain`, which leaves no room for `{beside[0]}`"
            self.problems.add(
                "AS604", message, node.key_span(beside[0]), "keep one of them: a `body` joins and merges"
            )
        body = self.parser.steps(node.get("body")) if chain is None else self.parser.chain(chain)
        join = self.parser.steps(node.get("join")) if model.join is not None else None
        after = self.parser.steps(node.get("after"))
        out, when = self._expression(model.out, node.get("out")), self._expression(model.when, node.get("when"))
        args = node.get("args")
        if args is not None and isinstance(args.value, dict):
            steps = [*body, *(join or ()), *after]
            used = names_used(steps, [*args.value.values(), node.get("shortcut")], [out, when])
            args = respelt(args, used, {*implicit, *around}, self.root, name, self.problems)
        arguments, sound = self._arguments(args, implicit, around)
        sound = sound and (out is None) == (model.out is None) and (when is None) == (model.when is None)
        definition = Definition(
            name=name,
            class_name=model.class_name or class_name(name),
            doc=" ".join(model.doc.split()),
            arguments=tuple(arguments),
            defaults={k: default for k, a in arguments.items() if (default := _default(a)) is not None},
            positional=chain is not None,
            out=out,
            derived={k: derived for k, a in arguments.items() if (derived := self._derived(a)) is not None},
        )  # fmt: skip
        return Declaration(
            definition=definition,
            arguments=arguments,
            implicit=implicit,
            around={k: v for k, v in around.items() if k not in (*arguments, *implicit)},
            first=model.first,
            body=body,
            join=join,
            merge=self._merge(node.get("merge")),
            after=after,
            when=when,
            otherwise=model.otherwise,
            member=model.name or "shortcut",
            shortcut=node.get("shortcut"),
            span=span,
            out_span=(node.get("out") or node).span,
            when_span=(node.get("when") or node).span,
            sound=sound and named and (sort, name) not in self.lost,
            inputs=inputs,
            outputs=outputs,
        )

    def _several(self, name: str, node: Node, sort: Sort) -> tuple[tuple[str, ...], tuple[Node, ...]]:
        """The inputs of a declaration by name, and the outputs that it lists."""
        found: dict[str, tuple[Node, ...]] = {}
        for key in ("inputs", "outputs"):
            listed = node.get(key)
            if listed is None or listed.value is None:
                continue
            beside = next((k for k in ("chain", "merge", "after", "join") if node.get(k) is not None), None)
            help_ = f"name one or more, such as `{key}: [low, high]`"
            if sort == "shortcuts":
                message = f"`{name}` is a shortcut, whose inputs and output are those of its block"
                self.problems.add("AS604", message, node.key_span(key), f"take `{key}` out")
            elif beside is not None:
                message = f"`{name}` has `{key}`, which leave no room for `{beside}`"
                self.problems.add("AS604", message, node.key_span(beside), "say all of it in `body`")
            elif not isinstance(listed.value, list) or not listed.value:
                self.problems.add("AS104", f"`{key}` is empty", listed.span, help_)
            else:
                found[key] = tuple(listed.value)
            names = [str(each.value) for each in found.get(key, ())]
            for place, each in enumerate(found.get(key, ())):
                if names.index(str(each.value)) < place:
                    self.problems.add("AS107", f"`{each.value}` is listed twice", each.span, "take one of them out")
        inputs = tuple(dict.fromkeys(str(each.value) for each in found.get("inputs", ())))
        return inputs or INPUT, found.get("outputs", ())

    def _merge(self, node: Node | None) -> Step | None:
        if node is None or node.value is None:
            return None
        step = self.parser.step(node)
        if step.broken or step.callee in MERGES:
            return step
        help_ = did_you_mean(step.callee, MERGES)
        self.problems.add("AS305", f"`{step.callee}` merges nothing", step.span, help_)
        return replace(step, broken=True)

    def _expression(self, value: Value | None, node: Node | None) -> Expr | None:
        if value is None or node is None:
            return None
        try:
            return parse(str(value).lower() if isinstance(value, bool) else str(value))
        except ExpressionError as error:
            self.problems.add(error.code, str(error), node.span, error.help)
            return None

    @staticmethod
    def _derived(argument: Argument) -> Expr | None:
        """A default that is an expression; one that cannot be read is recorded where it is used."""
        node = argument.default
        if node is None or not isinstance(node.value, str) or not argument.kind.takes_expressions:
            return None
        try:
            return parse(node.value)
        except ExpressionError:
            return None

    def _arguments(
        self, node: Node | None, implicit: Iterable[str], around: Mapping[str, Value]
    ) -> tuple[dict[str, Argument], bool]:
        """The declared arguments, and whether all of them could be read."""
        before: dict[str, Kind] = {name: _kind_of(value) for name, value in around.items()}
        before |= {name: Int(0) for name in implicit}
        read: dict[str, Argument | None] = {}
        for name, value in node.items() if node else []:
            argument = read[name] = self._argument(name, value, before)
            before[name] = Int(0) if argument is None else argument.kind
        return {name: a for name, a in read.items() if a is not None}, all(read.values())

    def _argument(self, name: str, node: Node, before: Mapping[str, Kind]) -> Argument | None:
        """An argument; `before` are the kinds of those that its default may name."""
        value = node.value
        if isinstance(value, str) and value in _TYPES:
            return Argument(_TYPES[value], None)
        if isinstance(value, dict) and list(value) == ["layer"]:
            return Argument(LayerKind(), value["layer"])
        if isinstance(value, list) and len(value) == 2 and all(type(v.value) is int for v in value):
            return Argument(Pair(0), node)
        if isinstance(value, bool):
            return Argument(Flag(), node)
        if isinstance(value, int):
            return Argument(Int(0), node)
        if isinstance(value, float):
            return Argument(Real(), node)
        if isinstance(value, list) and value and all(isinstance(v.value, str) for v in value):
            return Argument(Choice(tuple(str(v.value) for v in value)), value[0])
        if isinstance(value, str) and re.search(r"[-+*/%(\s]", value):
            return Argument(Int(0), node)  # an expression in the arguments before it
        numeric = {other: kind for other, kind in before.items() if kind.takes_expressions}
        if isinstance(value, str) and value in numeric:
            return Argument(numeric[value], node)
        message, help_ = f"`{name}` declares no type that arguments have", _DECLARE
        if isinstance(value, str):
            message += f", and `{value}` is no argument before it"
            if value in before:
                message = f"the default of `{name}` is `{value}`, whose values are words, and defaults compute with numbers"
            else:
                help_ = did_you_mean(value, [*_TYPES, *numeric]) or _DECLARE
        self.problems.add("AS103", message, node.span, help_)
        return None


@lru_cache(maxsize=256)
def _standard_declaration(sort: Sort, name: str, node: Node) -> tuple[Declaration | None, Diagnostics]:
    """A declaration of the standard library: the same in every spec, whatever blocks of its own that has."""
    problems = Diagnostics()
    library = Library(Node({}, node.span), problems)
    return library._declare(name, node, sort, node.span, {}), problems


def _standard(sort: Sort) -> Mapping[str, Path]:
    """The files of the standard library by name."""
    return blocks() if sort == "blocks" else shortcuts()

"""Declarations to blocks: one is made for each combination of arguments, input shapes and shortcut, and used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from archspec.expansion.append_steps import StepAppender
from archspec.expansion.builder import Graph
from archspec.expansion.context import Context
from archspec.expansion.declarations import INPUT, RESIDUAL, Declaration, Sort
from archspec.expansion.shortcuts import Merger
from archspec.expansion.uses import Use
from archspec.ir import Block
from archspec.language.step import Step
from archspec.ops import Features
from archspec.syntax.expressions import Expr, ExpressionError, Literal, Symbol, Value, evaluate
from archspec.syntax.identifiers import containers
from archspec.syntax.nodes import Node


def names_given(steps: Iterable[Step]) -> frozenset[str]:
    """The names that a spec gives to steps."""
    names: set[str] = set()
    for step in steps:
        if step.inline or step.branches:
            names |= names_given(step.within)
        if not step.inline and step.name is not None and not step.is_pattern:
            names.update((step.name, *containers(step.name)))
    return frozenset(names)


@lru_cache(maxsize=1024)
def _reserved(declaration: Declaration) -> frozenset[str]:
    """The names that a block gives to its steps."""
    merging = [declaration.merge] if declaration.merge is not None else []
    return names_given([*declaration.body, *(declaration.join or ()), *merging, *declaration.after])


class Instances:
    """Makes the blocks of one spec."""

    def __init__(self, context: Context) -> None:
        self.root, self.library = context.root, context.library
        self.binder, self.nesting = context.binder, context.nesting
        self.steps = StepAppender(context, self.instance)
        self.merger = Merger(context.library, context.binder, context.scope, self.instance)
        self.made: dict[object, Block | None] = {}
        self.shortcuts: dict[Node, str] = {}  # as text

    def instance(
        self, sort: Sort, use: Use, scope: Mapping[str, Value], inputs: Mapping[str, Features | None],
        where: str | None, implicit: Mapping[str, Value] | None = None,
    ) -> tuple[Block | None, dict[str, Symbol]]:  # fmt: skip
        """A block for inputs of these shapes; None where it or the shape of an input is not known for a mistake."""
        if not self.nesting.admits(sort, use):
            return None, {}
        declaration = self.library.get(sort, use.name)
        if declaration is None or not declaration.sound:
            return None, {}
        with self.nesting.inside(sort, use, where):
            given = self.binder.given(declaration.signature, use.given, scope)
            shapes = {name: shape for name, shape in inputs.items() if shape is not None}
            if given is None or len(shapes) < len(inputs):
                return None, {}
            known = {**self._implicit(declaration, use, shapes), **(implicit or {})}
            args = self.binder.arguments(declaration, given, known)
            if args is None:
                return None, {}
            shortcut = self._shortcut(use, declaration) if declaration.merge else None
            written = self._written(shortcut) if shortcut else None
            key = sort, use.name, tuple(args.items()), tuple(shapes.items()), written
            if key not in self.made:
                self.made[key] = self._build(declaration, args, shapes, shortcut)
            block = self.made[key]
            if block is None or not self.nesting.has_room_for(use, block):
                return None, {}
            return block, given.symbols

    def _implicit(self, declaration: Declaration, use: Use, shapes: Mapping[str, Features]) -> dict[str, Value]:
        """What a block knows without being given it: the channels of its inputs, and whether it has a shortcut."""
        implicit: dict[str, Value] = {"in_channels": next(iter(shapes.values())).channels}
        if declaration.inputs != INPUT:
            implicit |= {f"{name}_channels": shape.channels for name, shape in shapes.items()}
        if RESIDUAL in declaration.arguments and self._is_plain(use):
            implicit |= {RESIDUAL: False}
        return implicit

    def _shortcut(self, use: Use, declaration: Declaration) -> Node | None:
        return use.shortcut or declaration.shortcut or self.root.get("shortcut")

    def _is_plain(self, use: Use) -> bool:
        """Whether the shortcut of a use, or of the spec, is `none`."""
        shortcut = use.shortcut or self.root.get("shortcut")
        return shortcut is not None and shortcut.value == "none"

    def _build(
        self,
        declaration: Declaration,
        args: Mapping[str, Value],
        inputs: Mapping[str, Features],
        shortcut: Node | None,
    ) -> Block | None:
        definition, around = declaration.definition, declaration.around
        graph = Graph(
            self.binder, tuple(inputs.items()), definition.positional,
            reserved=_reserved(declaration), current=next(iter(inputs)),
        )  # fmt: skip
        outer, self.binder.constants = (
            self.binder.constants,
            {k: Literal(v) for k, v in around.items() if k not in args},
        )
        scope = {**around, **args}
        self.steps.append(graph, declaration.body if declaration.join is None else declaration.join, scope)
        taps = graph.results(declaration.outputs)
        branch = graph.giver(graph.current)
        out = self._declared(declaration, scope, graph)
        merges = declaration.merge is not None and shortcut is not None and shortcut.value not in ("none", None)
        if not (merges and shortcut and self.merger.merge(graph, declaration, scope, shortcut, out)):
            branch = ""
        self.steps.append(graph, declaration.after, scope)
        graph.check_containers()
        self.binder.constants = outer
        if graph.shape is None or graph.broken:
            return None
        variant = self._variant(declaration, graph, branch, shortcut)
        calls = tuple(graph.calls)
        block = Block(
            definition, args, graph.inputs, calls, graph.current, graph.shape, branch or None, variant, taps
        )
        if graph.mistaken:
            self.binder.mistaken.add(id(block))
        return block

    def _declared(self, declaration: Declaration, args: Mapping[str, Value], graph: Graph) -> Expr:
        """The channels that the branch gives, as written in `out` where it is."""
        actual = graph.shape.channels if graph.shape else 1
        written = declaration.definition.out
        if written is None:
            return Literal(actual)
        try:
            declared = evaluate(written, args)
        except ExpressionError as error:
            self.binder.add(error.code, f"`out`: {error}", declaration.out_span, error.remedy(args))
            graph.broken = True
            return Literal(actual)
        if graph.shape is not None and declared != actual:
            self.binder.add("AS309", f"`{declaration.definition.name}` declares {declared} channels and its body gives {actual}",
                            declaration.out_span, "make `out` and the last step of the body agree")  # fmt: skip
            graph.fail(graph.current)
        return written

    def _variant(self, declaration: Declaration, graph: Graph, branch: str, shortcut: Node | None) -> str:
        if declaration.merge is None:
            return ""
        merges = branch or any(call.role == "merge" for call in graph.calls)
        return "none" if not merges or shortcut is None else self._written(shortcut)

    def _written(self, shortcut: Node) -> str:
        """A shortcut as text."""
        if shortcut not in self.shortcuts:
            self.shortcuts[shortcut] = repr(shortcut.plain())
        return self.shortcuts[shortcut]

"""Merging the branch of a block with its shortcut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from archspec.diagnostics import Diagnostics, Related, Span
from archspec.expansion.binding import Binder
from archspec.expansion.builder import Graph
from archspec.expansion.declarations import Declaration, Sort
from archspec.expansion.given import Given
from archspec.expansion.library import Library
from archspec.expansion.uses import Use, use_of
from archspec.ir import Block
from archspec.ops import MERGES, NOTHING, Features, Image, ShapeError, show
from archspec.syntax.expressions import Expr, Literal, Name, Symbol, Value, substitute
from archspec.syntax.nodes import Node


class Instance(Protocol):
    """Makes a block or shortcut for inputs of these shapes."""

    def __call__(
        self, sort: Sort, use: Use, scope: Mapping[str, Value], inputs: Mapping[str, Features | None],
        where: str | None, implicit: Mapping[str, Value] | None = None,
    ) -> tuple[Block | None, dict[str, Symbol]]:  # fmt: skip
        """None where there are mistakes, which are recorded."""


class Merger:
    """Adds shortcuts to blocks; one that does not fit is recorded, with those that would."""

    def __init__(self, library: Library, binder: Binder, scope: Mapping[str, Value], instance: Instance) -> None:
        self.library = library
        self.binder = binder
        self.scope = scope
        self.instance = instance
        self.told: set[Span] = set()  # shortcuts that were said not to fit
        self.uses: dict[Node, Use] = {}  # those without a mistake
        self.depth = 0  # how many attempts, whose mistakes are collected apart, this is part of

    def merge(
        self, graph: Graph, declaration: Declaration, args: Mapping[str, Value], shortcut: Node, out: Expr
    ) -> bool:
        """Merge the current value of a block in the making with its shortcut; whether there was anything to merge."""
        use = self._use(shortcut)
        chosen = self.library.get("shortcuts", use.name) if use else None
        branch = graph.current
        if use is None or chosen is None or not chosen.sound or graph.shape is None:
            self._go_on(graph, declaration, branch)
            return True
        name = use.name
        implicit = self._implicit(graph, args)
        given = self.binder.given(chosen.signature, use.given, self.scope)
        bound = self.binder.arguments(chosen, given, implicit) if given else None
        present = (
            self.binder.condition(chosen.when, {**chosen.around, **bound}, chosen.when_span) if bound else None
        )
        if bound is None or present is None:
            self._go_on(graph, declaration, branch)
            return True
        absent = not present and (chosen.join is not None or chosen.otherwise == "none")
        if absent and (chosen.join is not None or declaration.first != "branch"):
            return False
        symbols: dict[str, Symbol] = {"in_channels": Name("in_channels"), "out_channels": out,
                                      "stride": Name("stride") if "stride" in args else Literal(1)}  # fmt: skip
        constants = {k: Literal(v) for k, v in {**chosen.around, **bound}.items() if k not in symbols}
        when = substitute(chosen.when, {**constants, **symbols}) if chosen.when else None
        merged = when if chosen.otherwise == "none" and declaration.first == "branch" else None
        if chosen.join is None and not chosen.body:
            self._join(graph, declaration, branch, "input", name, shortcut, merged, absent)
            return not absent
        member = graph.name(chosen.member, "shortcut", chosen.span)
        if not present:
            graph.append(member, NOTHING, ("input",), shortcut.span, when=when, present=False, role="shortcut")
        else:
            sources = ("input",) if chosen.join is None else ("input", branch)
            inputs = {"input": graph.inputs[0][1]} | ({"branch": graph.shape} if chosen.join is not None else {})
            with self._aside() as found:
                block, _ = self.instance("shortcuts", use, self.scope, inputs, member, implicit)
            if block is None or found.errors or id(block) in self.binder.mistaken:
                self._unfit(graph, declaration, branch, name, shortcut, found)
                self._go_on(graph, declaration, branch)
                return True
            more = given.symbols if given else {}
            graph.append(member, block, sources, shortcut.span, {**symbols, **more}, when, "shortcut")
        if chosen.join is None:
            self._join(graph, declaration, branch, member, name, shortcut, merged, absent)
        return not absent

    def _use(self, shortcut: Node) -> Use | None:
        """What a shortcut uses, read once where nothing is wrong with it."""
        if shortcut in self.uses:
            return self.uses[shortcut]
        before = self.binder.problems.met
        use = use_of("shortcuts", shortcut, self.library, self.binder)
        if use is not None and self.binder.problems.met == before:
            self.uses[shortcut] = use
        return use

    @contextmanager
    def _aside(self) -> Iterator[Diagnostics]:
        """Collect mistakes apart from the others."""
        outer, self.binder.problems = self.binder.problems, Diagnostics()
        self.depth += 1
        yield self.binder.problems
        self.depth -= 1
        self.binder.problems = outer

    @staticmethod
    def _implicit(graph: Graph, args: Mapping[str, Value]) -> dict[str, Value]:
        assert graph.shape is not None
        return {
            "in_channels": graph.inputs[0][1].channels,
            "out_channels": graph.shape.channels,
            "stride": args.get("stride", 1),
        }

    def _join(
        self, graph: Graph, declaration: Declaration, branch: str, over: str, name: str, shortcut: Node,
        when: Expr | None, absent: bool,
    ) -> None:  # fmt: skip
        """Append the merge; where it is absent, as `when` says, the block gives its branch."""
        left, right = graph.values[branch], graph.values[over]
        merge = declaration.merge
        if merge is None or merge.broken or left is None or right is None:
            graph.broken = True
            return
        if absent:
            own = graph.name(merge.name, merge.callee, merge.span)
            graph.append(own, NOTHING, (branch, over), merge.span, when=when, present=False, role="merge")
            return
        target = MERGES[merge.callee]()
        try:
            target.output_shape(left, right)
        except ShapeError:
            giver = graph.giver(branch)
            made = next((c.span for c in graph.calls if c.name == giver), declaration.span)
            message = (
                f"`{merge.callee}` cannot merge {show(left)} from the branch (`{giver}`) with {show(right)} over the "
                f"shortcut `{name}`"
            )
            related = Related(f"the branch's {show(left)} comes from here", made)
            self._misfit(graph, declaration, branch, message, shortcut, [related])
            self._go_on(graph, declaration, branch)
            return
        sides = (branch, over) if declaration.first == "branch" else (over, branch)
        own = graph.name(merge.name, merge.callee, merge.span)
        graph.append(own, target, sides, merge.span, when=when, role="merge")

    def _unfit(
        self, graph: Graph, declaration: Declaration, branch: str, name: str, shortcut: Node, found: Diagnostics
    ) -> None:
        """Say why a shortcut could not be made: where its sizes cannot work out, it is the wrong one for this place."""
        sizes = [d for d in found if d.code == "AS104" or d.code.startswith("AS4")]
        if not sizes or len(sizes) < len(found):
            self.binder.problems.extend(found)
            return
        start, end = graph.inputs[0][1], graph.values[branch]
        why = sizes[0]
        message = (
            f"the shortcut `{name}` cannot take {show(start)} to the branch's {show(end or ())}: {why.message}"
        )
        related = [Related("the shortcut fails here", why.span)] if why.span else []
        self._misfit(graph, declaration, branch, message, shortcut, related)

    def _misfit(
        self,
        graph: Graph,
        declaration: Declaration,
        branch: str,
        message: str,
        shortcut: Node,
        related: list[Related],
    ) -> None:
        """Say once of a shortcut that it does not fit, however many blocks it is given to."""
        if shortcut.span not in self.told:
            if not self.depth:
                self.told.add(shortcut.span)
            self.binder.add("AS405", message, shortcut.span, self._fitting(graph, declaration, branch), related)

    def _go_on(self, graph: Graph, declaration: Declaration, branch: str) -> None:
        """Go on after a mistake with what the merge gives where it gives what the branch does, so that more are found."""
        merge, shape = declaration.merge, graph.values[branch]
        if (
            merge is None
            or merge.broken
            or shape is None
            or MERGES[merge.callee]().output_shape(shape, shape) != shape
        ):
            graph.broken = True
            return
        graph.mistaken = graph.lost = True
        name = graph.name(merge.name, merge.callee, merge.span)
        graph.values[name] = shape
        graph.current = name

    def _fitting(self, graph: Graph, declaration: Declaration, branch: str) -> str:
        """Which shortcuts of the library would have fitted here."""
        fitting = []
        shape, start = graph.values[branch], graph.inputs[0][1]
        stride = start[1] // shape[1] if isinstance(shape, Image) and isinstance(start, Image) and shape[1] else 1
        with self._aside():
            for name in self.library.names("shortcuts"):
                chosen = self.library.get("shortcuts", name)
                if chosen is None or chosen.join is not None or shape is None:
                    continue
                implicit: dict[str, Value] = {
                    "in_channels": start.channels,
                    "out_channels": shape.channels,
                    "stride": stride,
                }
                use = Use(name, Given({}, {}, declaration.span))
                block, _ = self.instance("shortcuts", use, {}, {"input": start}, None, implicit)
                sound = block is not None and id(block) not in self.binder.mistaken
                if sound and block is not None and block.shape == shape:
                    fitting.append(f"`{name}`")
        if not fitting:
            return "no shortcut of the library fits; or `none`"
        *others, last = fitting
        return f"{', '.join(others)} and {last} would fit; or `none`" if others else f"{last} would fit; or `none`"

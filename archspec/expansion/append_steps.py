"""Steps to calls: each step of a list is appended to a graph, as often as it says, where its `when` holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from archspec.diagnostics import Span
from archspec.diagnostics.fixes import respelling
from archspec.expansion.builder import Graph
from archspec.expansion.chains import chain_block, definition_of
from archspec.expansion.context import Context
from archspec.expansion.given import Given, given_by, with_cells
from archspec.expansion.layer_arguments import applied_argument
from archspec.expansion.repeats import constants, inlined, named, repetitions, unnamed
from archspec.expansion.sharing import unshared
from archspec.expansion.shortcuts import Instance
from archspec.expansion.starts import misplaced, starts_of
from archspec.expansion.uses import Use
from archspec.ir import Block, Definition
from archspec.language.spec import ROLES
from archspec.language.step import Step
from archspec.ops import NOTHING, OPS, Features, Op, ShapeError
from archspec.ops.starts import Starts
from archspec.syntax.expressions import Expr, Symbol, Value, substitute


class StepAppender:
    """Appends steps to graphs; `instance` makes the blocks that they apply."""

    def __init__(self, context: Context, instance: Instance) -> None:
        self.library, self.binder, self.survey = context.library, context.binder, context.survey
        self.roles, self.nesting = context.roles, context.nesting
        self.instance = instance
        self.given: dict[tuple[Step, Step], Given] = {}
        self.chains: dict[tuple[Step, int], Definition] = {}

    def append(self, graph: Graph, steps: Iterable[Step], scope: Mapping[str, Value]) -> None:
        """Append the steps of a list, whose expressions see `scope`."""
        for step in steps:
            if step.broken or (step.repeat is None and step.cells is None):
                self._step(graph, step, scope)
            else:
                self._repeated(graph, step, scope)

    # --- repetition ------------------------------------------------------------------------------------

    def _repeated(self, graph: Graph, step: Step, scope: Mapping[str, Value]) -> None:
        """Append a step as often as it says; under a name of its own, all are a chain of that name."""
        if step.repeat is None or step.name is None or step.is_pattern:
            found = repetitions(step, scope, self.binder)
            if found is None:
                graph.fail(graph.name(None, step.callee, step.span))
            elif not self._all(graph, found) and (sources := graph.sources(step)) is not None:
                graph.current = sources[0]  # it stands nowhere, and passes its input on
            return
        present = self.binder.condition(step.when, scope, step.when_span)
        if present is False and graph.positional:
            self._leave_out(graph, step)
            return
        sources = graph.sources(step)
        name = graph.name(step.name, step.callee, step.name_span or step.span)
        if present is False and sources is not None:
            graph.append(name, NOTHING, sources, step.span, when=self._when(step), present=False)
            return

        def fill(inner: Graph) -> None:
            found = repetitions(unnamed(step), scope, self.binder)
            if found is None:
                inner.broken = True
            else:
                self._all(inner, found)

        self._chain(graph, step, scope, sources, name, present, fill)

    def _all(self, graph: Graph, each: Iterable[tuple[Step, Mapping[str, Value]]]) -> int:
        """Append the repetitions of a step, as many as are returned."""
        outer, count, before = self.binder.constants, 0, self.binder.problems.met
        for step, scope in each:
            self.binder.constants = {**outer, **constants(step, scope, outer)}
            self._step(graph, step, scope)
            count += 1
            if self.binder.problems.met > before:
                break  # which would only be said again
        self.binder.constants = outer
        return count

    # --- one step --------------------------------------------------------------------------------------

    def _step(self, graph: Graph, step: Step, scope: Mapping[str, Value]) -> None:
        if step.share is not None and not step.broken:
            self._shared(graph, step, step.share)
            return
        if step.inline and not step.broken:
            self.append(graph, inlined(step, self._when(step)), scope)
            return
        if step.branches and not step.broken:
            self._branches(graph, step, scope)
            return
        base = step.callee.removeprefix("$")
        if base != step.callee:
            chosen = applied_argument(step, scope, self.binder)
            if chosen is None:
                graph.fail(graph.name(named(step, scope, self.binder), base, step.name_span or step.span))
                return
            step = chosen
        applied = self.roles.get(step.callee, step) if step.callee in ROLES else step
        broken = step.broken or applied.broken
        present = self._is_present(step, broken, scope)
        if present is False and graph.positional:
            self._leave_out(graph, step)
            return
        wanted = named(step, scope, self.binder) if step.is_pattern else step.name
        name = graph.name(wanted, applied.callee if applied is not step else base, step.name_span or step.span)
        sources = graph.sources(step)
        if broken or (wanted is None and step.is_pattern):
            graph.fail(name)
        elif present is False and sources is not None:
            graph.append(name, NOTHING, sources, step.span, when=self._when(step), present=False)
        else:
            graph.written[name] = (step, scope, self.binder.constants)
            if (chain := step.chain) is not None:
                self._chain(graph, step, scope, sources, name, present, lambda g: self.append(g, chain, scope))
            else:
                self._apply(graph, step, applied, scope, sources, name, present)

    def _is_present(self, step: Step, broken: bool, scope: Mapping[str, Value]) -> bool | None:
        """Whether a step is there; None where that cannot be told. Nothing applies `none`."""
        present: bool | None = True
        if broken or step.when is not None:
            present = None if broken else self.binder.condition(step.when, scope, step.when_span)
        return present and False if step.callee == "none" else present

    def _when(self, step: Step) -> Expr | None:
        return None if step.when is None else substitute(step.when, self.binder.constants)

    def _leave_out(self, graph: Graph, step: Step) -> None:
        """Leave a step out of a chain, where it has no number."""
        if (when := self._when(step)) is not None:
            graph.unmet.append(when)

    def _apply(
        self, graph: Graph, step: Step, applied: Step, scope: Mapping[str, Value],
        sources: tuple[str, ...] | None, name: str, present: bool | None,
    ) -> None:  # fmt: skip
        """Append an operation or block; `applied` is the step, or what the role stands for that it applies."""
        given = self._given(step, applied, scope)
        shapes = [graph.values[source] for source in sources or ()]
        target, symbols = self._target(applied.callee, given, scope, shapes, name)
        if (
            target is not None
            and (fault := _misplaced_target(graph, step, applied.callee, target, name)) is not None
        ):
            self.binder.add(*fault)
            target = None
        starts = self._starts(step, target, shapes, scope) if step.init and target is not None else ()
        if target is None or sources is None or present is None or starts is None:
            graph.fail(name)
        else:
            graph.append(name, target, sources, step.span, symbols, self._when(step), given=given, starts=starts)

    def _given(self, step: Step, applied: Step, scope: Mapping[str, Value]) -> Given:
        """The arguments of a step, over the cells of its row and those of the role that it applies."""
        given = self.given.get((step, applied))
        if given is None:
            given = given_by(step)
            if (signature := self.survey.signature(applied)) is not None:
                given = with_cells(given, step, signature, scope)
            if step.cells is not None and step.cells.idle and step.cells.applied:
                self.survey.columns(step.cells)
            given = given.over(given_by(applied) if applied is not step else None)
            self.given[step, applied] = given
        return given

    def _target(
        self, callee: str, given: Given, scope: Mapping[str, Value], shapes: list[Features | None], name: str
    ) -> tuple[Op | Block | None, dict[str, Symbol]]:
        """The operation or block that a step applies to values of these shapes."""
        if callee in OPS:
            return self.binder.operation(callee, given, scope)
        declaration = self.library.get("blocks", callee)
        if declaration is None or not declaration.sound:
            return None, {}
        names = declaration.inputs
        if shapes and len(shapes) != len(names):
            takes = "one input" if len(names) == 1 else f"{len(names)} inputs ({', '.join(names)})"
            joined = "join them first: `- {concat: {}, from: [a, b]}`"
            help_ = joined if len(names) == 1 else f"list them: `from: [{', '.join(names)}]`"
            self.binder.add("AS307", f"`{callee}` takes {takes}, not {len(shapes)}", given.span, help_)
            return None, {}
        inputs = dict(zip(names, shapes or [None] * len(names), strict=True))
        return self.instance("blocks", Use(callee, given), scope, inputs, name)

    def _starts(
        self, step: Step, target: Op | Block, shapes: list[Features | None], scope: Mapping[str, Value]
    ) -> Starts | None:
        """What the parameters of a step start from; None where that is wrong."""
        known = tuple(shape for shape in shapes if shape is not None)
        if isinstance(target, Block):
            misplaced(step, f"`{target.definition.name}` is a block", step.init_span or step.span, self.binder)
            return None
        try:
            return starts_of(step, target, known, scope, self.binder) if len(known) == len(shapes) else ()
        except (ShapeError, ValueError, IndexError):
            return ()  # it does not take these inputs, which is said where it is appended

    def _shared(self, graph: Graph, step: Step, owner: str) -> None:
        """Append a step that applies the layers of another again, with their parameters."""
        name = graph.name(step.name, owner, step.name_span or step.span)
        if (fault := unshared(graph, name, owner)) is not None:
            code, message, help_ = fault
            fix = respelling(step.span, owner, graph.written) if code == "AS306" else None
            if not (code == "AS306" and graph.lost):
                self.binder.add(code, message, step.span, help_, fix=fix)
            graph.fail(name)
            return
        written, scope, constants = graph.written[owner]
        outer, self.binder.constants = self.binder.constants, constants
        alike = replace(written, span=step.span, name=name, name_span=step.name_span, sources=step.sources,
                        source_spans=step.source_spans, init={}, init_span=None)  # fmt: skip
        self._step(graph, alike, scope)
        self.binder.constants = outer
        if graph.values.get(name) is not None and (misfit := graph.give(name, owner)) is not None:
            self.binder.add("AS404", misfit, step.span, "share layers among values of the same channels")
            graph.fail(name)

    # --- branches --------------------------------------------------------------------------------------

    def _branches(self, graph: Graph, step: Step, scope: Mapping[str, Value]) -> None:
        """Append branches, each of which begins at the value that the step takes, and what merges their last values."""
        sources, ends = graph.sources(step), []
        for branch in step.branches:
            graph.current = sources[0] if sources is not None else graph.current
            before = len(graph.calls)
            self.append(graph, branch, scope)
            last = graph.calls[-1].name if len(graph.calls) > before else graph.current
            ends.append(last if last in graph.constants else graph.current)
        wanted = named(step, scope, self.binder) if step.is_pattern else step.name
        name = graph.name(wanted, step.callee, step.name_span or step.span)
        target, symbols = self.binder.operation(step.callee, given_by(step), scope)
        if target is None or sources is None:
            graph.fail(name)
            return
        graph.written[name] = (step, scope, self.binder.constants)
        graph.append(name, target, tuple(ends), step.span, symbols, given=given_by(step))

    # --- chains ----------------------------------------------------------------------------------------

    def _chain(
        self, graph: Graph, step: Step, scope: Mapping[str, Value], sources: tuple[str, ...] | None, name: str,
        present: bool | None, fill: Callable[[Graph], None],
    ) -> None:  # fmt: skip
        """Append a chain, whose steps `fill` appends to a graph of its own, as one value."""
        if step.init:
            misplaced(step, f"`{name}` is a chain", step.init_span or step.span, self.binder)
            graph.fail(name)
            return
        shapes = [graph.values[source] for source in sources or ()]
        shape = shapes[0] if shapes else None
        if len(shapes) > 1:
            help_ = "join them first: `- {concat: {}, from: [a, b]}`"
            self.binder.add("AS307", f"a chain takes one input, not {len(shapes)}", step.span, help_)
        elif self.nesting.has_room(Use(name, given_by(step)), 1) and present is not None and shape is not None:
            inner = Graph(self.binder, (("input", shape),), positional=True)
            with self.nesting.inside_chain(name):
                fill(inner)
            if inner.shape is not None and not inner.broken:
                if not inner.calls:
                    graph.append(name, NOTHING, sources or (), step.span, when=self._when(step), present=False)
                    return
                definition = self.chains.setdefault((step, len(inner.calls)), definition_of(len(inner.calls), step))
                block, symbols = chain_block(definition, inner, scope)
                if inner.mistaken:
                    self.binder.mistaken.add(id(block))
                graph.append(name, block, sources or (), step.span, symbols, self._when(step))
                return
        graph.fail(name)


def _misplaced_target(
    graph: Graph, step: Step, callee: str, target: Op | Block, name: str
) -> tuple[str, str, Span, str] | None:
    """Why a step may not apply this where it stands: code, message, place and help; None where it may."""
    if "." in name and isinstance(target, Op) and target.holds_tensor:
        help_ = "give it a name in one part, or put it in a block that has the name of the container"
        return "AS106", f"`{name}` is a tensor, which no container of layers holds", step.span, help_
    if isinstance(target, Block) and target.taps and (graph.positional or step.when is not None):
        what, help_ = "of a chain", "use it outside of a chain"
        if step.when is not None:
            what, help_ = "with a `when`", "take the `when` out"
        return "AS305", f"`{callee}` gives several values, and a step {what} gives one", step.span, help_
    return None

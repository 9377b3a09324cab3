"""Spec to network: blocks are instantiated, stages repeated, and every value gets its shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

from archspec.diagnostics import Diagnostics, Related, Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.binding import Binder, Given, given_by, with_cells
from archspec.expansion.builder import Graph
from archspec.expansion.chains import chain_block, definition_of
from archspec.expansion.library import INPUT, RESIDUAL, Declaration, Library, Signature, Sort
from archspec.expansion.outputs import net_outputs
from archspec.expansion.parse_steps import StepParser
from archspec.expansion.repeats import constants, inlined, named, repetitions, unnamed
from archspec.expansion.sharing import unshared
from archspec.expansion.shortcuts import Merger
from archspec.expansion.starts import misplaced, starts_of
from archspec.expansion.survey import Survey
from archspec.expansion.uses import Use, use_in_stage
from archspec.ir import Block, Chain, Definition, Run, parts
from archspec.ir.cost import block_cost
from archspec.language import Stage
from archspec.language.layers import Layer
from archspec.language.layers import applied as layer_applied
from archspec.language.spec import ROLES
from archspec.language.step import MAX_REPEAT, Step
from archspec.loading.program import Program
from archspec.loading.resolve import PLACEHOLDER, Resolved
from archspec.ops import NOTHING, OPS, Features, Image, Op, ShapeError, show
from archspec.ops.arguments import describe
from archspec.ops.starts import Starts
from archspec.syntax.expressions import Expr, ExpressionError, Literal, Symbol, Value, evaluate, substitute
from archspec.syntax.identifiers import class_name, containers, net_class_name
from archspec.syntax.reader import Node, node_of
from archspec.syntax.simplify import simplified

MAX_MODULES = 500_000
MAX_NESTED = 32  # blocks inside of blocks; frameworks build, move and save modules level by level as well


_ENDS = (
    "end the head with `{linear: {out: classes}}`",
    "end the head with `global_avg_pool` and `{linear: {out: classes}}`, or name what the net gives: `outputs: {out: VALUE}`",
)


def expand(resolved: Resolved, problems: Diagnostics) -> Program | None:
    """Build the network of a resolved spec; None where there are mistakes, which are recorded."""
    return _Expander(resolved, problems).network()


def _given_names(steps: Iterable[Step]) -> frozenset[str]:
    """The names that a spec gives to steps."""
    names: set[str] = set()
    for step in steps:
        if step.inline:
            names |= _given_names(step.chain or ())
        elif step.name is not None and not step.is_pattern:
            names.update((step.name, *containers(step.name)))
    return frozenset(names)


@lru_cache(maxsize=1024)
def _reserved(declaration: Declaration) -> frozenset[str]:
    """The names that a block gives to its steps."""
    merging = [declaration.merge] if declaration.merge is not None else []
    return _given_names([*declaration.body, *(declaration.join or ()), *merging, *declaration.after])


class _Expander:
    def __init__(self, resolved: Resolved, problems: Diagnostics) -> None:
        self.resolved = resolved
        self.root = resolved.root
        self.before = problems.errors
        self.scope = resolved.scope
        self.blocks = sum(stage.repeat for stage in resolved.spec.stages)
        self.library = Library(resolved.root, problems, resolved.lost, self.scope)
        self.defaults = resolved.root.get("defaults")
        given = {
            k: Given(dict(v.items()), v.keys, v.span) for k, v in (self.defaults.items() if self.defaults else [])
        }
        self.binder = Binder(problems, given)
        operations = StepParser(OPS.__contains__, lambda: list(OPS), problems)
        self.roles = {role: operations.step(self._role(role)) for role in ROLES}
        self.survey = Survey(self.library, self.binder, self.roles)
        args = resolved.root.get("args")
        self.binder.lists = [k for k, v in args.items() if isinstance(v.value, list)] if args is not None else []
        self.binder.layers, self.binder.words = self._layer, self.library.words
        self.merger = Merger(self.library, self.binder, self.scope, self._instance)
        self.active: list[tuple[Sort, str]] = []
        self.memo: dict[object, Block | None] = {}
        self.given: dict[tuple[Step, Step], Given] = {}
        self.levels: dict[Block, int] = {}
        self.chains: dict[tuple[Step, int], Definition] = {}

    def _role(self, role: str) -> Node:
        return self.root.get(role) or node_of(getattr(self.resolved.spec, role), self.root.span)

    def _layer(self, name: str) -> tuple[Signature, Given | None] | None:
        """What a layer that is given by this name takes; None where there is none. Of a role, what it stands for."""
        role = self.roles.get(name) if name in ROLES else None
        if role is None and not self.library.callable(name):
            return None
        step = role or Step(name, self.root.span)
        signature = None if step.broken else self.survey.signature(step)
        return None if signature is None else (signature, given_by(step) if role is not None else None)

    # --- the net ---------------------------------------------------------------------------------------

    def network(self) -> Program | None:
        spec, problems = self.resolved.spec, self.binder.problems
        self.survey.defaults(self.defaults)
        self.survey.roles_of({role: self.root.get(role) for role in ROLES})
        declarations = self.library.check_own()
        stem, head = (self.library.parser.steps(self.root.get(key)) for key in ("stem", "head"))
        shape = Image((spec.input.channels, *spec.input.size))
        names = _given_names([*stem, *head]) | {stage.name for stage in spec.stages}
        graph = Graph(self.binder, (("input", shape),), lost=self.resolved.lost_steps, reserved=names)
        self._steps(graph, stem, self.scope)
        before = 0
        for stage, node in zip(spec.stages, self._stage_nodes(), strict=True):
            self._stage(graph, stage, node, before)
            before += stage.repeat
        self._steps(graph, head, self.scope)
        graph.check_containers()
        outputs = net_outputs(graph, spec, self.root)
        if spec.classes is None and graph.current == "input" and not (spec.outputs or graph.lost):
            message = "`stem`, `stages` and `head` are missing, so that the net has no steps"
            self.binder.add(
                "AS102", message, self.root.span, "add some, and `classes: 1000` where it tells classes apart"
            )
        unnamed = spec.classes is not None and not any(spec.outputs.values()) and not graph.lost
        if unnamed and graph.shape is not None and graph.shape != (spec.classes,):
            self.binder.add("AS406", f"the net gives {show(graph.shape)}, and `classes` is {spec.classes}",
                            self._end(graph, head), _ENDS[len(graph.shape) > 1])  # fmt: skip
        for declaration in declarations:
            self.survey.declaration(declaration)
            self.survey.shortcut(declaration.shortcut, self.scope)
        self.survey.steps([*stem, *head], self.scope)
        self.survey.shortcut(self.root.get("shortcut"), self.scope)
        if outputs:
            graph.current = next((o.value for o in outputs if not o.train_only), outputs[0].value)
        if problems.errors > self.before or graph.broken or graph.mistaken or graph.shape is None:
            return None
        called = net_class_name(spec.class_name or class_name(spec.name))
        definition = Definition(spec.name, called, spec.doc, (), {}, False)
        args = {} if spec.classes is None else {"classes": spec.classes}
        root = Block(
            definition, args, graph.inputs, tuple(graph.calls), graph.current, graph.shape, outputs=outputs
        )
        if block_cost(root).modules > MAX_MODULES:
            message = f"the net has more than {MAX_MODULES:,} modules"
            self.binder.add("AS308", message, self.root.span, "lower what is repeated")
            return None
        return Program(root, spec.classes, spec.init, resolved=self.resolved)

    def _end(self, graph: Graph, head: tuple[Step, ...]) -> Span:
        """Where it is written what the net ends with."""
        if self.root.get("head") is not None and not head:
            return self.root.key_span("head")
        if head:
            return head[-1].span
        return graph.calls[-1].span if graph.calls else self.root.key_span("classes")

    # --- steps -----------------------------------------------------------------------------------------

    def _steps(self, graph: Graph, steps: tuple[Step, ...], scope: Mapping[str, Value]) -> None:
        for step in steps:
            if step.broken or (step.repeat is None and step.cells is None):
                self._step(graph, step, scope)
            else:
                self._repeated(graph, step, scope)

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
            graph.unmet += [when] if (when := self._when(step)) is not None else []
            return
        sources = graph.sources(step)
        name = graph.name(step.name, step.callee, step.name_span or step.span)
        if present is False and sources is not None:
            graph.append(name, NOTHING, sources, step.span, when=self._when(step), present=False)
            return

        def fill(inner: Graph) -> bool:
            found = repetitions(unnamed(step), scope, self.binder)
            if found is None:
                inner.broken = True
            else:
                self._all(inner, found)
            return found is not None

        self._group(graph, step, scope, sources, name, present, fill)

    def _all(self, graph: Graph, each: Iterable[tuple[Step, Mapping[str, Value]]]) -> int:
        """Append the repetitions of a step, as many as are returned."""
        outer, count, before = self.binder.constants, 0, self.binder.problems.met
        for step, scope in each:
            self.binder.constants = {**outer, **constants(step, scope)}
            self._step(graph, step, scope)
            count += 1
            if self.binder.problems.met > before:
                break  # which would only be said again
        self.binder.constants = outer
        return count

    def _when(self, step: Step) -> Expr | None:
        return None if step.when is None else substitute(step.when, self.binder.constants)

    def _step(self, graph: Graph, step: Step, scope: Mapping[str, Value]) -> None:
        if step.share is not None and not step.broken:
            self._shared(graph, step, step.share)
            return
        if step.inline and not step.broken:
            self._steps(graph, inlined(step, self._when(step)), scope)
            return
        base = step.callee
        if base.startswith("$"):
            base = base.removeprefix("$")
            chosen = self._given_layer(step, scope)
            if chosen is None:
                graph.fail(graph.name(named(step, scope, self.binder), base, step.name_span or step.span))
                return
            step = chosen
        applied = self.roles.get(step.callee, step) if step.callee in ROLES else step
        broken = step.broken or applied.broken
        present: bool | None = True
        if broken or step.when is not None:
            present = None if broken else self.binder.condition(step.when, scope, step.when_span)
        if step.callee == "none":
            present = present and False
        if present is False and graph.positional:
            graph.unmet += [when] if (when := self._when(step)) is not None else []
            return  # it has no number
        wanted = named(step, scope, self.binder) if step.is_pattern else step.name
        name = graph.name(wanted, applied.callee if applied is not step else base, step.name_span or step.span)
        sources = graph.sources(step)
        if broken or (wanted is None and step.is_pattern):
            graph.fail(name)
            return
        if present is False and sources is not None:
            graph.append(name, NOTHING, sources, step.span, when=self._when(step), present=False)
            return
        graph.written[name] = (step, scope, self.binder.constants)
        if step.chain is not None:
            chain = step.chain

            def fill(inner: Graph) -> bool:
                self._steps(inner, chain, scope)
                return True

            self._group(graph, step, scope, sources, name, present, fill)
            return
        given = self.given.get((step, applied))
        if given is None:
            given = given_by(step)
            if (signature := self.survey.signature(applied)) is not None:
                given = with_cells(given, step, signature, scope)
            given = given.over(given_by(applied) if applied is not step else None)
            self.given[step, applied] = given
        shapes = [graph.values[source] for source in sources or ()]
        target, symbols = self._target(applied.callee, given, scope, shapes, name)
        if "." in name and isinstance(target, Op) and target.holds_tensor:
            help_ = "give it a name in one part, or put it in a block that has the name of the container"
            self.binder.add("AS106", f"`{name}` is a tensor, which no container of layers holds", step.span, help_)
            target = None
        if isinstance(target, Block) and target.taps and (graph.positional or step.when is not None):
            what, help_ = "of a chain", "use it outside of a chain"
            if step.when is not None:
                what, help_ = "with a `when`", "take the `when` out"
            message = f"`{applied.callee}` gives several values, and a step {what} gives one"
            self.binder.add("AS305", message, step.span, help_)
            target = None
        starts = self._starts(step, target, shapes, scope) if step.init and target is not None else ()
        if target is None or sources is None or present is None or starts is None:
            graph.fail(name)
        else:
            graph.append(name, target, sources, step.span, symbols, self._when(step), given=given, starts=starts)

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

    def _given_layer(self, step: Step, scope: Mapping[str, Value]) -> Step | None:
        """A step that applies an argument, as one that applies what is given for it; None where that is no layer."""
        name = step.callee.removeprefix("$")
        value = scope.get(name)
        if isinstance(value, Layer):
            return layer_applied(step, value)
        if name not in scope:
            layers = [key for key, known in scope.items() if isinstance(known, Layer)]
            help_ = (
                did_you_mean(name, layers) or f"declare it in `args`: `{name}: layer`, or `{name}: {{layer: act}}`"
            )
            self.binder.add("AS202", f"unknown name `{name}`", step.span, help_)
        else:
            message = f"`{name}` is {describe(value)}, and a step applies a layer"
            self.binder.add("AS204", message, step.span, f"declare it as one: `{name}: layer`, or `{{layer: act}}`")
        return None

    def _group(
        self, graph: Graph, step: Step, scope: Mapping[str, Value], sources: tuple[str, ...] | None, name: str,
        present: bool | None, fill: Callable[[Graph], bool],
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
        elif len(self.active) >= MAX_NESTED:
            self._too_deep(Use(name, given_by(step)))
        elif present is not None and shape is not None:
            inner = Graph(self.binder, (("input", shape),), positional=True)
            self.active.append(("blocks", f"{name} "))  # no block is called so
            fill(inner)
            self.active.pop()
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
        return self._instance("blocks", Use(callee, given), scope, inputs, name)

    # --- blocks ----------------------------------------------------------------------------------------

    def _instance(
        self, sort: Sort, use: Use, scope: Mapping[str, Value], inputs: Mapping[str, Features | None],
        where: str | None, implicit: Mapping[str, Value] | None = None,
    ) -> tuple[Block | None, dict[str, Symbol]]:  # fmt: skip
        """A block for inputs of these shapes; None where it or the shape of an input is not known for a mistake."""
        if (sort, use.name) in self.active:
            circle = " > ".join(n for _, n in [*self.active, (sort, use.name)])
            message = f"`{use.name}` would contain itself: {circle}"
            self.binder.add("AS302", message, use.given.span, "use another block here, or an operation")
            return None, {}
        if len(self.active) >= MAX_NESTED:
            self._too_deep(use)
            return None, {}
        declaration = self.library.get(sort, use.name)
        if declaration is None or not declaration.sound:
            return None, {}
        with self._inside(sort, use, where):
            given = self.binder.given(declaration.signature, use.given, scope)
            shapes = {name: shape for name, shape in inputs.items() if shape is not None}
            if given is None or len(shapes) < len(inputs):
                return None, {}
            implicit = {"in_channels": next(iter(shapes.values())).channels, **(implicit or {})}
            if declaration.inputs != INPUT:
                implicit |= {f"{name}_channels": shape.channels for name, shape in shapes.items()}
            if RESIDUAL in declaration.arguments and self._is_plain(use):
                implicit |= {RESIDUAL: False}
            args = self.binder.arguments(declaration, given, implicit)
            if args is None:
                return None, {}
            chosen = (
                (use.shortcut or declaration.shortcut or self.root.get("shortcut")) if declaration.merge else None
            )
            key = (
                sort,
                use.name,
                tuple(args.items()),
                tuple(shapes.items()),
                repr(chosen.plain()) if chosen else None,
            )
            if key not in self.memo:
                self.memo[key] = self._build(declaration, args, shapes, chosen)
            block = self.memo[key]
            if block is not None and len(self.active) + self._levels(block) > MAX_NESTED:
                self._too_deep(use)
                return None, {}
            return block, given.symbols

    def _is_plain(self, use: Use) -> bool:
        """Whether the shortcut of a use, or of the spec, is `none`."""
        shortcut = use.shortcut or self.root.get("shortcut")
        return shortcut is not None and shortcut.value == "none"

    def _too_deep(self, use: Use) -> None:
        (_, outermost), *_ = self.active
        message = (
            f"`{use.name}` is nested in more than {MAX_NESTED} blocks, of which `{outermost}` is the outermost"
        )
        help_ = "let a block hold the steps of the one that it uses, or put one after the other"
        self.binder.problems.add("AS005", message, use.given.span, help_)

    def _levels(self, block: Block) -> int:
        """How many levels of blocks there are inside of one."""
        if block not in self.levels:
            self.levels[block] = max((1 + self._levels(inner) for inner in parts(block)), default=0)
        return self.levels[block]

    @contextmanager
    def _inside(self, sort: Sort, use: Use, where: str | None) -> Iterator[None]:
        self.active.append((sort, use.name))
        as_ = f", as `{where}`" if where else ""
        self.binder.uses.append((Related(f"`{use.name}` is used here{as_}", use.given.span), use.given))
        yield
        self.active.pop()
        self.binder.uses.pop()

    def _build(
        self,
        declaration: Declaration,
        args: Mapping[str, Value],
        inputs: Mapping[str, Features],
        shortcut: Node | None,
    ) -> Block | None:
        definition = declaration.definition
        graph = Graph(
            self.binder, tuple(inputs.items()), definition.positional,
            reserved=_reserved(declaration), current=next(iter(inputs)),
        )  # fmt: skip
        outer, around = self.binder.constants, declaration.around
        self.binder.constants = {k: Literal(v) for k, v in around.items() if k not in args}
        args_only, args = args, {**around, **args}
        self._steps(graph, declaration.body if declaration.join is None else declaration.join, args)
        taps = graph.results(declaration.outputs)
        branch = graph.giver(graph.current)
        out = self._declared(declaration, args, graph)
        wanted = shortcut if declaration.merge is not None else None
        if (
            wanted is None
            or wanted.value in ("none", None)
            or not self.merger.merge(graph, declaration, args, wanted, out)
        ):
            branch = ""
        self._steps(graph, declaration.after, args)
        graph.check_containers()
        self.binder.constants = outer
        if graph.shape is None or graph.broken:
            return None
        block = Block(
            definition,
            args_only,
            graph.inputs,
            tuple(graph.calls),
            graph.current,
            graph.shape,
            branch or None,
            self._variant(declaration, graph, branch, shortcut),
            taps,
        )
        if graph.mistaken:
            self.binder.mistaken.add(id(block))
        return block

    @staticmethod
    def _variant(declaration: Declaration, graph: Graph, branch: str, shortcut: Node | None) -> str:
        if declaration.merge is None:
            return ""
        merges = branch or any(call.role == "merge" for call in graph.calls)
        return "none" if not merges or shortcut is None else repr(shortcut.plain())

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

    # --- stages ----------------------------------------------------------------------------------------

    def _stage(self, graph: Graph, stage: Stage, node: Node, before: int) -> None:
        written = node.get("name") or node
        name = graph.name(stage.name, stage.name, written.span)
        if stage.repeat > MAX_REPEAT:
            repeat = node.get("repeat") or node
            message = f"`{name}` repeats {stage.repeat:,} times, more than {MAX_REPEAT:,}"
            self.binder.add("AS308", message, repeat.span, "lower `repeat`")
            graph.fail(name)
            return
        if stage.repeat <= 1:
            self.survey.unused_repeats(node)
        shape, runs, symbols = graph.shape, list[Run](), dict[str, Symbol]()
        varied = any("index" in repr(n.plain()) for n in (node, self.defaults) if n)
        use: Use | None = None
        for index in range(stage.repeat):
            where = f"{name}.{index}" if written.origin != PLACEHOLDER else None
            if index < 2:  # the first has a use of its own, and all others one
                use = self._stage_use(node, first=index == 0)
            block, symbols = self._stage_block(use, where, shape, before + index)
            if block is None:
                graph.fail(name)
                return
            if runs and runs[-1].block is block:
                if varied:
                    runs[-1] = Run(block, runs[-1].count + 1)
                    continue
                # from here on every block is like the one before: its input and its arguments are
                runs[-1] = Run(block, stage.repeat - index + 1)
                break
            runs.append(Run(block, 1))
            shape = block.shape
        if runs:
            scope = {k: v for k, v in self._places(before).items() if k != "index" or k in self.scope}
            chain = Chain(
                tuple(runs), {k: simplified(s, scope) for k, s in symbols.items()} if varied else {}, before
            )
            graph.append(name, chain, (graph.current,), node.span)
        else:
            use = self._stage_use(node, first=True)
            self._stage_block(use, None, None, before)  # no block is made, but its arguments are looked at
            graph.append(name, NOTHING, (graph.current,), node.span, present=False)

    def _stage_use(self, node: Node, *, first: bool) -> Use | None:
        use = use_in_stage(node, first, self.library, self.binder)
        if use is not None:
            self.survey.shortcut(use.shortcut, self.scope)
        return use

    def _stage_block(
        self, use: Use | None, where: str | None, shape: Features | None, index: int
    ) -> tuple[Block | None, dict[str, Symbol]]:
        if use is None:
            return None, {}
        declaration = self.library.get("blocks", use.name)
        if declaration is not None and (declaration.inputs != INPUT or declaration.outputs):
            what = "takes" if declaration.inputs != INPUT else "gives"
            message = f"`{use.name}` {what} several values by name, and blocks of a stage follow one another"
            self.binder.add("AS307", message, use.given.span, "use it in a step of `stem` or `head`")
            return None, {}
        return self._instance("blocks", use, self._places(index), {"input": shape}, where)

    def _places(self, index: int) -> dict[str, Value]:
        """Where a block stands in the net, counted from 0, and how many there are: for what grows with depth."""
        return {"index": index, "blocks": self.blocks, **self.scope}

    def _stage_nodes(self) -> list[Node]:
        stages = self.root.get("stages")
        return stages.value if stages is not None and isinstance(stages.value, list) else []

"""Spec to network: blocks are instantiated, stages repeated, and every value gets its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from archspec.binding import Binder, Given
from archspec.cost import block_cost
from archspec.diagnostics import Diagnostics, Related, Span, did_you_mean
from archspec.expressions import Apply, Expr, ExpressionError, Literal, Name, Value, evaluate
from archspec.graph import Graph
from archspec.ir import Block, Chain, Definition, Run, Symbol
from archspec.language import Stage
from archspec.library import ROLES, Declaration, Library, Sort
from archspec.names import class_name
from archspec.network import Network
from archspec.ops import OPS, Add, Concat, Identity, Mul, Op, Shape, show
from archspec.reader import Node, node_of
from archspec.resolve import Resolved
from archspec.steps import Step, parse_step, parse_steps

MAX_REPEAT = 10_000
MAX_MODULES = 500_000
MERGES = {"add": Add, "mul": Mul, "concat": Concat}


def expand(resolved: Resolved, problems: Diagnostics) -> Network | None:
    """Build the network of a resolved spec; None where there are mistakes, which are recorded."""
    return _Expander(resolved, problems).network()


class _Expander:
    def __init__(self, resolved: Resolved, problems: Diagnostics) -> None:
        self.resolved = resolved
        self.root = resolved.root
        self.scope = resolved.scope
        self.library = Library(resolved.root, problems)
        defaults = resolved.root.get("defaults")
        self.binder = Binder(problems, {k: dict(v.items()) for k, v in (defaults.items() if defaults else [])})
        self.roles = {role: self._role(role, getattr(resolved.spec, role)) for role in ROLES}
        self.active: list[tuple[Sort, str]] = []
        self.memo: dict[object, Block | None] = {}
        for name in self.binder.defaults:
            if name not in OPS and not self.library.has("blocks", name) and not self.library.has("shortcuts", name):
                words = [*OPS, *self.library.names("blocks"), *self.library.names("shortcuts")]
                assert defaults is not None
                self.binder.add(
                    "AS301", f"nothing is called `{name}`", defaults.key_span(name), did_you_mean(name, words)
                )

    # --- the net ---------------------------------------------------------------------------------------

    def network(self) -> Network | None:
        spec, problems = self.resolved.spec, self.binder.problems
        before = len(problems)
        self.library.check_own()
        shape = (spec.input.channels, *spec.input.size)
        graph = Graph(self.binder, (("input", shape),))
        self._steps(graph, self._parse("stem"), self.scope)
        for stage, node in zip(spec.stages, self._stage_nodes(), strict=True):
            self._stage(graph, stage, node)
        self._steps(graph, self._parse("head"), self.scope)
        if graph.shape is not None and graph.shape != (spec.classes,) and not graph.broken:
            span = graph.calls[-1].span if graph.calls else self.root.span
            self.binder.add("AS406", f"the net gives {show(graph.shape)}, and `classes` is {spec.classes}", span,
                            "end the head with `{linear: {out: classes}}`")  # fmt: skip
        if len(problems) > before or graph.shape is None:
            return None
        definition = Definition(spec.name, spec.class_name or class_name(spec.name), spec.doc, (), {}, False)
        root = Block(
            definition, {"classes": spec.classes}, graph.inputs, tuple(graph.calls), graph.current, graph.shape
        )
        if block_cost(root).modules > MAX_MODULES:
            self.binder.add("AS308", f"the net has more than {MAX_MODULES:,} modules", self.root.span)
            return None
        return Network(self.resolved, root)

    def _parse(self, key: str) -> tuple[Step, ...]:
        return parse_steps(self.root.get(key), self.library.callable, self.library.words, self.binder.problems)

    def _role(self, role: str, default: object) -> Step | None:
        node = self.root.get(role) or node_of(default, self.root.span)
        step = parse_step(node, lambda name: name in OPS, lambda: list(OPS), self.binder.problems)
        return step if step is not None and step.callee in OPS else None

    # --- steps -----------------------------------------------------------------------------------------

    def _steps(self, graph: Graph, steps: tuple[Step, ...], scope: Mapping[str, Value]) -> None:
        for step in steps:
            self._step(graph, step, scope)

    def _step(self, graph: Graph, step: Step, scope: Mapping[str, Value]) -> None:
        role = self.roles.get(step.callee) if step.callee in ROLES else step
        base = role.callee if role else step.callee
        name = graph.name(step.name, base, step.span)
        sources = graph.sources(step.sources, step.sources_span)
        present = self._condition(step.when, scope, step.span)
        if role is None or sources is None or present is None:
            graph.fail(name)
            return
        if not present:
            graph.append(name, Identity(), sources, step.span, when=step.when, present=False)
            return
        given = Given(step.args, step.keys, step.span).over(role.args if role is not step else {})
        target: Op | Block | None
        if base in OPS:
            target, symbols = self.binder.operation(base, given, scope)
        else:
            shapes = [graph.values[s] for s in sources]
            if any(s is None for s in shapes):
                graph.fail(name)
                return
            inputs = {"input": shapes[0] or ()}
            target, symbols = self._instance("blocks", base, given, scope, inputs, None, name)
        if target is None:
            graph.fail(name)
        else:
            graph.append(name, target, sources, step.span, symbols, step.when)

    def _condition(self, when: Expr | None, scope: Mapping[str, Value], span: Span) -> bool | None:
        if when is None:
            return True
        try:
            value = evaluate(when, scope)
        except ExpressionError as error:
            help_ = did_you_mean(error.name, scope) if error.name else None
            self.binder.add(error.code, f"`when`: {error}", span, help_)
            return None
        if not isinstance(value, bool):
            self.binder.add("AS204", f"`when` is {value!r}, not true or false", span, "compare: `stride > 1`")
            return None
        return value

    # --- blocks ----------------------------------------------------------------------------------------

    def _instance(
        self, sort: Sort, name: str, given: Given, scope: Mapping[str, Value], inputs: Mapping[str, Shape],
        shortcut: Node | None, where: str, implicit: Mapping[str, Value] | None = None,
    ) -> tuple[Block | None, dict[str, Symbol]]:  # fmt: skip
        if (sort, name) in self.active:
            circle = " > ".join(n for _, n in [*self.active, (sort, name)])
            self.binder.add("AS302", f"`{name}` would contain itself: {circle}", given.span)
            return None, {}
        declaration = self.library.get(sort, name)
        if declaration is None:
            return None, {}
        first = next(iter(inputs.values()))
        implicit = {"in_channels": first[0], **(implicit or {})}
        with self._inside(sort, name, given.span, where):
            args, symbols = self.binder.arguments(declaration, given, scope, implicit)
            if args is None:
                return None, symbols
            chosen = shortcut or declaration.shortcut or self.root.get("shortcut") if declaration.merge else None
            key = (sort, name, tuple(args.items()), tuple(inputs.items()), repr(chosen.plain()) if chosen else None)
            if key not in self.memo:
                self.memo[key] = self._build(declaration, args, inputs, chosen)
            return self.memo[key], symbols

    @contextmanager
    def _inside(self, sort: Sort, name: str, span: Span, where: str) -> Iterator[None]:
        self.active.append((sort, name))
        self.binder.uses.append(Related(f"`{name}` is used here, as `{where}`", span))
        yield
        self.active.pop()
        self.binder.uses.pop()

    def _build(
        self,
        declaration: Declaration,
        args: Mapping[str, Value],
        inputs: Mapping[str, Shape],
        shortcut: Node | None,
    ) -> Block | None:
        definition = declaration.definition
        graph = Graph(self.binder, tuple(inputs.items()), definition.positional)
        self._steps(graph, declaration.body if declaration.join is None else declaration.join, args)
        branch = graph.current
        out = self._declared(declaration, args, graph)
        if declaration.merge is not None and shortcut is not None and shortcut.value not in ("none", None):
            self._merge(graph, declaration, args, shortcut, out)
        else:
            branch = ""
        self._steps(graph, declaration.after, args)
        if graph.shape is None or graph.broken:
            return None
        return Block(
            definition,
            args,
            graph.inputs,
            tuple(graph.calls),
            graph.current,
            graph.shape,
            branch or None,
            self._variant(declaration, branch, shortcut),
        )

    @staticmethod
    def _variant(declaration: Declaration, branch: str, shortcut: Node | None) -> str:
        if declaration.merge is None:
            return ""
        return "none" if not branch or shortcut is None else repr(shortcut.plain())

    def _declared(self, declaration: Declaration, args: Mapping[str, Value], graph: Graph) -> Expr:
        """The channels that the branch gives, as written in `out` where it is."""
        actual = graph.shape[0] if graph.shape else 1
        written = declaration.definition.out
        if written is None:
            return Literal(actual)
        try:
            declared = evaluate(written, args)
        except ExpressionError as error:
            self.binder.add(error.code, f"`out`: {error}", declaration.span, did_you_mean(error.name or "", args))
            return Literal(actual)
        if graph.shape is not None and declared != actual:
            self.binder.add("AS309", f"`{declaration.definition.name}` declares {declared} channels and its body gives {actual}",
                            declaration.span, "make `out` and the last step of the body agree")  # fmt: skip
        return written

    # --- shortcuts -------------------------------------------------------------------------------------

    def _merge(
        self, graph: Graph, declaration: Declaration, args: Mapping[str, Value], shortcut: Node, out: Expr
    ) -> None:
        name, given = _call(shortcut)
        if not self.library.has("shortcuts", name):
            known = [*self.library.names("shortcuts"), "none"]
            self.binder.add("AS301", f"no shortcut is called `{name}`", shortcut.span, did_you_mean(name, known))
            graph.broken = True
            return
        chosen = self.library.get("shortcuts", name)
        branch = graph.current
        if chosen is None or graph.shape is None:
            graph.broken = True
            return
        implicit = self._implicit(graph, args)
        symbols: dict[str, Symbol] = {"in_channels": Name("in_channels"), "out_channels": out,
                                      "stride": Name("stride") if "stride" in args else Literal(1)}  # fmt: skip
        if chosen.join is None and not chosen.body:
            self._join(graph, declaration, branch, "input", name, shortcut)
            return
        bound, more = self.binder.arguments(chosen, given, self.scope, implicit)
        present = bound and self._condition(chosen.when, bound, chosen.span)
        if bound is None or present is None:
            graph.broken = True
            return
        member = graph.name(chosen.member, "shortcut", chosen.span)
        constants = {k: Literal(v) for k, v in bound.items() if k not in symbols}
        when = substitute(chosen.when, {**constants, **symbols}) if chosen.when else None
        if not present:
            graph.append(member, Identity(), ("input",), shortcut.span, when=when, present=False, role="shortcut")
        else:
            sources = ("input",) if chosen.join is None else ("input", branch)
            inputs = {"input": graph.inputs[0][1]} | ({"branch": graph.shape} if chosen.join is not None else {})
            outer, self.binder.problems = self.binder.problems, Diagnostics()
            block, _ = self._instance("shortcuts", name, given, self.scope, inputs, None, member, implicit)
            found, self.binder.problems = self.binder.problems, outer
            if block is None:
                self._unfit(graph, declaration, branch, name, shortcut, found)
                graph.broken = True
                return
            graph.append(member, block, sources, shortcut.span, {**symbols, **more}, when, "shortcut")
        if chosen.join is None:
            self._join(graph, declaration, branch, member, name, shortcut)

    def _implicit(self, graph: Graph, args: Mapping[str, Value]) -> dict[str, Value]:
        assert graph.shape is not None
        return {
            "in_channels": graph.inputs[0][1][0],
            "out_channels": graph.shape[0],
            "stride": args.get("stride", 1),
        }

    def _join(
        self, graph: Graph, declaration: Declaration, branch: str, over: str, name: str, shortcut: Node
    ) -> None:
        left, right = graph.values[branch], graph.values[over]
        merge = declaration.merge
        if merge is None or left is None or right is None:
            graph.broken = True
            return
        if merge.callee not in MERGES:
            self.binder.add(
                "AS305", f"`{merge.callee}` merges nothing", merge.span, did_you_mean(merge.callee, MERGES)
            )
            graph.broken = True
            return
        fits = left == right if merge.callee != "concat" else left[1:] == right[1:]
        if not fits:
            made = next((c.span for c in graph.calls if c.name == branch), declaration.span)
            self.binder.add(
                "AS405",
                f"`{merge.callee}` cannot merge {show(left)} from the branch (`{branch}`) with {show(right)} over the "
                f"shortcut `{name}`",
                shortcut.span,
                self._fitting(graph, declaration, branch),
                [Related(f"the branch's {show(left)} comes from here", made)],
            )
            graph.broken = True
            return
        target = MERGES[merge.callee]()
        graph.append(
            graph.name(merge.name, merge.callee, merge.span), target, (branch, over), merge.span, role="merge"
        )

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
        self.binder.add(
            "AS405",
            f"the shortcut `{name}` cannot take {show(start)} to the branch's {show(end or ())}: {why.message}",
            shortcut.span,
            self._fitting(graph, declaration, branch),
            [Related("the shortcut fails here", why.span)] if why.span else [],
        )

    def _fitting(self, graph: Graph, declaration: Declaration, branch: str) -> str:
        """Which shortcuts of the library would have fitted here."""
        fitting = []
        shape, start = graph.values[branch], graph.inputs[0][1]
        stride = start[1] // shape[1] if shape and len(shape) == 3 and shape[1] else 1
        outer, self.binder.problems = self.binder.problems, Diagnostics()
        for name in self.library.names("shortcuts"):
            chosen = self.library.get("shortcuts", name)
            if chosen is None or chosen.join is not None or shape is None:
                continue
            implicit: dict[str, Value] = {"in_channels": start[0], "out_channels": shape[0], "stride": stride}
            block, _ = self._instance(
                "shortcuts", name, Given({}, {}, declaration.span), {}, {"input": start}, None, name, implicit
            )
            if block is not None and block.shape == shape:
                fitting.append(f"`{name}`")
        self.binder.problems = outer
        return (
            f"{' and '.join(fitting)} would fit; or `none`"
            if fitting
            else "no shortcut of the library fits; or `none`"
        )

    # --- stages ----------------------------------------------------------------------------------------

    def _stage(self, graph: Graph, stage: Stage, node: Node) -> None:
        name = graph.name(stage.name, stage.name, (node.get("name") or node).span)
        if stage.repeat > MAX_REPEAT:
            repeat = node.get("repeat") or node
            self.binder.add(
                "AS308", f"`{name}` repeats {stage.repeat:,} times, more than {MAX_REPEAT:,}", repeat.span
            )
            graph.fail(name)
            return
        if graph.shape is None:
            called = node.get("block") or node  # what comes in is unknown after a mistake, the block's name is not
            self._known_block(called, _call(called)[0])
            return
        if stage.repeat == 0:
            return
        shape, runs = graph.shape, list[Run]()
        for index in range(stage.repeat):
            block = self._stage_block(node, f"{name}.{index}", index == 0, shape)
            if block is None:
                graph.fail(name)
                return
            if runs and runs[-1].block is block:
                # from here on every block is like the one before: its input and its arguments are
                runs[-1] = Run(block, stage.repeat - index + 1)
                break
            runs.append(Run(block, 1))
            shape = block.shape
        graph.append(name, Chain(tuple(runs)), (graph.current,), node.span)

    def _known_block(self, node: Node, name: str) -> bool:
        if self.library.has("blocks", name):
            return True
        help_ = did_you_mean(name, self.library.names("blocks"))
        self.binder.add("AS301", f"no block is called `{name}`", node.span, help_)
        return False

    def _stage_nodes(self) -> list[Node]:
        stages = self.root.get("stages")
        return stages.value if stages is not None and isinstance(stages.value, list) else []

    def _stage_block(self, node: Node, where: str, first: bool, shape: Shape) -> Block | None:
        override = node.get("first") if first else None
        merged = {k: v for source in (node, override) if source for k, v in source.items()}
        keys = {**node.keys, **(override.keys if override else {})}
        name, given = _call(merged["block"])
        if not self._known_block(merged["block"], name):
            return None
        args = {k: v for k, v in merged.items() if k not in _STAGE_KEYS}
        declaration = self.library.get("blocks", name)
        if declaration is not None and "stride" in merged:
            if "stride" not in declaration.arguments:
                self.binder.add("AS303", f"`{name}` has no argument `stride`", keys["stride"])
            elif first:
                args["stride"] = merged["stride"]
        shortcut = merged.get("shortcut")
        if shortcut is not None and declaration is not None and declaration.merge is None:
            self.binder.add("AS303", f"`{name}` merges nothing, so it takes no `shortcut`", keys["shortcut"])
        given = Given({**given.nodes, **args}, {**given.keys, **keys}, node.span)
        return self._instance("blocks", name, given, self.scope, {"input": shape}, shortcut, where)[0]


_STAGE_KEYS = ("name", "block", "repeat", "stride", "shortcut", "first")


def _call(node: Node) -> tuple[str, Given]:
    """`name` or `{name: {argument: value}}`."""
    if isinstance(node.value, dict) and len(node.value) == 1:
        name, args = next(iter(node.value.items()))
        return name, Given(dict(args.items()), args.keys, node.span)
    return str(node.value), Given({}, {}, node.span)


def substitute(expr: Expr, symbols: Mapping[str, Symbol]) -> Expr:
    """An expression in the names of the caller."""
    if isinstance(expr, Name):
        symbol = symbols.get(expr.name, expr)
        return expr if isinstance(symbol, tuple) else symbol
    if isinstance(expr, Apply):
        return Apply(expr.op, tuple(substitute(o, symbols) for o in expr.operands))
    return expr

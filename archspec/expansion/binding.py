"""From the arguments that a step gives to those that an operation or block takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import Diagnostics, Fix, Related, Span
from archspec.diagnostics.fixes import certain, dividing, respelling, rewriting
from archspec.diagnostics.spelling import did_you_mean, nearest, suggestion
from archspec.expansion.library import Declaration, Signature
from archspec.language import synonyms
from archspec.language.layers import Layer, LayerKind
from archspec.language.step import MAX_REPEAT, Step
from archspec.language.values import compute, faults, is_constant, mentioned, names_in
from archspec.ops import OPS, ArgumentError, Op, ShapeError
from archspec.ops.arguments import Kind, describe
from archspec.syntax.expressions import Expr, ExpressionError, Symbol, Value, evaluate, names, substituted, unknown
from archspec.syntax.reader import Node, node_of, resolve_scalar


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Arguments as the spec gives them, with the place of each key and of the call."""

    nodes: Mapping[str, Node]
    keys: Mapping[str, Span]
    span: Span
    beside: tuple[str, ...] = ()  # what may stand beside the arguments, such as the keys of a stage
    below: Collection[str] = ()  # the arguments that come from a role or from `defaults`
    guessed: bool = False  # whether what they are given to was misspelt, so that they may be right for another

    def over(self, base: Given | None) -> Given:
        """The same with other arguments below."""
        if base is None:
            return self
        below = {*self.below, *(base.nodes.keys() - self.nodes.keys())}
        nodes, keys = {**base.nodes, **self.nodes}, {**base.keys, **self.keys}
        return Given(nodes, keys, self.span, self.beside, below, self.guessed)


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """The values of arguments, and how each was written where by an expression."""

    values: dict[str, Any]
    symbols: dict[str, Symbol]


def given_by(step: Step) -> Given:
    """The arguments of a step."""
    return Given(step.args, step.keys, step.span, guessed=step.guessed)


def with_cells(given: Given, step: Step, signature: Signature, scope: Collection[str] = ()) -> Given:
    """The same with the cells of a row below, as far as they are arguments.

    What was computed into `scope` goes by the name of its column: a cell sees the names around the table, and not the others.
    """
    if step.cells is None:
        return given
    nodes = {k: node for k, node in step.cells.nodes.items() if k in signature.kinds}
    for key, node in nodes.items():
        is_expression = isinstance(node.value, str) and signature.kinds[key].takes_expressions
        if is_expression and key in scope and mentioned(node.value) <= set(scope):
            nodes[key] = Node(key, node.span)
    return given.over(Given(nodes, {k: node.span for k, node in nodes.items()}, given.span)) if nodes else given


def signature_of(kind: str) -> Signature:
    """What an operation takes."""
    op = OPS[kind]
    if op not in _SIGNATURES:
        _SIGNATURES[op] = Signature(kind, op.arguments(), op.required())
    return _SIGNATURES[op]


_SIGNATURES: dict[type[Op], Signature] = {}


def meant_argument(
    name: str, owner: str, takes: Collection[str], beside: Collection[str] = ()
) -> tuple[str | None, str]:
    """The argument that an unknown one was meant to be, None where that is not plain, and the help to give."""
    if meaning := synonyms.argument(name, takes):
        return meaning.word, meaning.help
    if near := nearest(name, [*takes, *beside]):
        return near, suggestion(name, near)
    return None, (did_you_mean(name, takes) if takes else None) or f"`{owner}` takes none"


def surely_meant(
    name: str, takes: Collection[str], span: Span, beside: Collection[str] = ()
) -> tuple[str | None, Fix | None]:
    """The argument that an unknown one can only have been meant to be, None where that is not certain, and its fix."""
    if meaning := synonyms.argument(name, takes):
        return meaning.word, rewriting(span, meaning.word)
    return certain(name, takes), respelling(span, name, {*takes, *beside})


class Binder:
    """Evaluates arguments; mistakes are recorded with the chain of uses that led to them."""

    def __init__(self, problems: Diagnostics, defaults: dict[str, Given]) -> None:
        self.problems = problems
        self.defaults = defaults
        self.uses: list[tuple[Related, Given]] = []
        self.mistaken: set[int] = set()
        """Blocks with a mistake inside that leaves their shape as it would be, by `id`."""
        self.used: dict[tuple[str, Given], list[str] | None] = {}
        self.made: dict[object, tuple[Op, dict[str, Symbol]]] = {}
        self.layers: Callable[[str], tuple[Signature, Given | None] | None] = lambda name: None
        """What can be a layer by its name: what it takes, and what a role gives it."""
        self.words: Callable[[], list[str]] = list
        self.lists: Collection[str] = ()  # the arguments of the spec that are lists
        self.constants: Mapping[str, Expr] = {}
        """Names that are written as numbers: the places of repeated steps, the cells of a row."""

    def add(
        self, code: str, message: str, span: Span, help: str | None = None, related: Iterable[Related] = (),
        fix: Fix | None = None, about: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Record a mistake inside the blocks that are being expanded.

        Where the library is at fault for what it was given, the place is that of the value that its user gave.
        """
        uses = [use for use, _ in reversed(self.uses)]
        if span.source.library and (place := self._of_user(about)) is not None:
            inside = Related("which comes to this in the library", span)
            self.problems.add(code, message, place, help, [*related, inside, *(u for u in uses if u.span != place)])
        else:
            self.problems.add(code, message, span, help, [*related, *uses], fix)

    def _of_user(self, about: Collection[str]) -> Span | None:
        """Where the value that a name in the library stands for is written outside of it; else where a block is used."""
        for _, given in reversed(self.uses):
            nodes = [given.nodes[name] for name in about if name in given.nodes]
            place = next((n.span for n in nodes if not n.span.source.library), None)
            if place is not None:
                return place
            about = {name for node in nodes for name in mentioned(node.plain())}
            if not given.span.source.library:
                return given.span
        return None

    def operation(self, kind: str, given: Given, scope: Mapping[str, Value]) -> tuple[Op | None, dict[str, Symbol]]:
        """Make an operation, once for all scopes in which its arguments are the same; None where an argument is wrong."""
        key = self._depends(kind, given, scope)
        if key in self.made:
            return self.made[key]
        bound = self.given(signature_of(kind), given, scope)
        if bound is None:
            return None, {}
        try:
            made = OPS[kind].of(bound.values), bound.symbols
        except ArgumentError as error:
            self.misfit(kind, given, error)
            return None, {}
        if key is not None:
            self.made[key] = made
        return made

    def _depends(self, kind: str, given: Given, scope: Mapping[str, Value]) -> object:
        """The values that an operation's arguments depend on; None where one is unknown or cannot be read."""
        use = kind, given
        if use not in self.used:
            kinds, nodes = signature_of(kind).kinds, given.over(self.defaults.get(kind)).nodes
            try:
                self.used[use] = [n for k, node in nodes.items() for n in names_in(node.plain(), kinds[k])]
            except (ExpressionError, KeyError):
                self.used[use] = None
        used = self.used[use]
        if used is None or any(name not in scope for name in used):
            return None
        return use, tuple([(type(scope[name]), scope[name]) for name in used])

    def misfit(self, kind: str, given: Given, error: ArgumentError | ShapeError) -> None:
        """Record what does not suit an operation, at the value that is to blame where it is written."""
        given = given.over(self.defaults.get(kind))
        node = given.nodes.get(error.argument or "")
        elsewhere = node is not None and error.argument in given.below
        related = [Related(f"`{kind}` is applied here", given.span)] if elsewhere else []
        about = mentioned(node.plain()) if node else ()
        self.add(error.code, str(error), node.span if node else given.span, error.help, related, about=about)

    def given(self, signature: Signature, given: Given, scope: Mapping[str, Value]) -> Bound | None:
        """The values of the arguments that are given; None where one is wrong, unknown or missing.

        One that is surely misspelt is recorded and read as what was meant, so that what follows from it can be checked.
        """
        given = given.over(self.defaults.get(signature.name))
        meant: dict[str, str] = {}
        sound = self._check_names(signature, given, meant)
        bound = Bound({}, {})
        for written, node in given.nodes.items():
            name = meant.get(written, written)
            if name not in signature.kinds:
                continue
            result = self._value(node, signature.kinds[name], scope, name)
            if result is None:
                sound = False
                continue
            bound.values[name] = result[0]
            if result[1] is not None:
                bound.symbols[name] = result[1]
        return bound if sound else None

    def arguments(
        self, declaration: Declaration, bound: Bound, implicit: Mapping[str, Value]
    ) -> dict[str, Value] | None:
        """All arguments of a block, `implicit` ones and defaults included; None where a default is wrong."""
        values: dict[str, Value] = {**declaration.around, **implicit}
        for key, argument in declaration.arguments.items():
            if key in bound.values:
                values[key] = bound.values[key]
            elif key not in implicit and argument.default is not None:
                result = self._value(argument.default, argument.kind, values, key)
                if result is None:
                    return None
                values[key] = result[0]
        return {k: v for k, v in values.items() if k in declaration.arguments or k not in declaration.around}

    def _value(
        self, node: Node, kind: Kind, scope: Mapping[str, Value], name: str
    ) -> tuple[Any, Symbol | None] | None:
        """The value of an argument; None where it is wrong, which is recorded."""
        reference = isinstance(node.value, str) and node.value.startswith("$")
        if isinstance(kind, LayerKind) and not reference:
            layer = self._layer(node, scope, name)
            return None if layer is None else (layer, None)
        return self._compute(node.plain(), kind, scope, name, node.span)

    def _layer(self, node: Node, scope: Mapping[str, Value], name: str) -> Layer | None:
        """A layer that is given by argument, with the values of its own arguments."""
        if node.value in (None, "none"):
            return Layer.of("none", {})
        if isinstance(node.value, str):
            callee, args, span = node.value, Node({}, node.span), node.span
        elif isinstance(node.value, dict) and len(node.value) == 1:
            ((callee, args),) = node.value.items()
            span = node.key_span(callee)
        else:
            help_ = "such as `relu`, `{leaky_relu: {slope: 0.1}}` or `none`"
            self.add("AS103", f"`{name}` is a layer, not {describe(node.plain())}", node.span, help_)
            return None
        found = self.layers(callee)
        if found is None:
            known = self.words()
            help_ = did_you_mean(callee, known) or "name an operation, a block, `norm` or `act`"
            message = f"no operation, block or role is called `{callee}`"
            self.add("AS301", message, span, help_, fix=respelling(span, callee, known))
            return None
        signature, below = found
        given = Given(dict(args.items()), args.keys, node.span).over(below)
        if any(key not in signature.kinds for key in given.nodes):
            self._check_names(signature, given, complete=False)
            return None
        nodes: dict[str, Node] = {}
        for key, value in given.nodes.items():
            result = self._value(value, signature.kinds[key], scope, key)
            if result is None:
                return None
            nodes[key] = node_of(result[0], value.span)
        return Layer.of(signature.name, nodes)

    def condition(self, when: Expr | None, scope: Mapping[str, Value], span: Span | None) -> bool | None:
        """Whether a condition holds; None where it cannot be computed."""
        if when is None or span is None:
            return True
        try:
            value = evaluate(when, scope)
        except ExpressionError as error:
            self._wrong("when", error, span, scope)
            return None
        if not isinstance(value, bool):
            self.add("AS204", f"`when` is {value!r}, not true or false", span, "compare: `stride > 1`")
            return None
        return value

    def number(self, name: str, node: Node, kind: Kind, scope: Mapping[str, Value]) -> float | None:
        """A number that stands at no argument; None where it is wrong, which is recorded."""
        result = self._compute(node.plain(), kind, scope, name, node.span)
        return None if result is None else float(result[0])

    def survey(self, signature: Signature, given: Given, known: Collection[str], base: Given | None = None) -> None:
        """Record what is wrong with arguments whatever the names in them stand for; `base` was looked at elsewhere."""
        self._check_names(signature, given.over(base).over(self.defaults.get(signature.name)))
        for name, node in given.nodes.items():
            if name in signature.kinds:
                self.survey_value(name, node, signature.kinds[name], known)

    def survey_value(self, name: str, node: Node, kind: Kind, known: Collection[str] | None) -> None:
        """Record what is wrong with a value whatever the names in it stand for; None where any may be known."""
        raw = node.plain()
        if isinstance(kind, LayerKind):
            return
        found = faults(raw, kind, known)
        for error in found:
            self._wrong(name, error, node.span, known or (), kind, raw)
        if not found and is_constant(raw, kind):
            self._compute(raw, kind, {}, name, node.span)

    def survey_names(self, signature: Signature, given: Given) -> None:
        """Record arguments that are unknown, and values that are wrong in any scope, where others may be given elsewhere."""
        self._check_names(signature, given, complete=False)
        for name, node in given.nodes.items():
            if name in signature.kinds:
                self.survey_value(name, node, signature.kinds[name], None)

    def count(self, repeat: Expr, scope: Mapping[str, Value], span: Span) -> int | None:
        """How often a step stands; None where that cannot be computed or is no count."""
        try:
            value = evaluate(repeat, scope)
        except ExpressionError as error:
            self._wrong("repeat", error, span, scope)
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            help_ = (
                "divide with `//`, or round with `ceil(...)`" if isinstance(value, float) else "such as `repeat: 3`"
            )
            self.add("AS204", f"`repeat` is {describe(value)}, not a whole number", span, help_)
        elif value < 0:
            self.add("AS104", f"`repeat` is {value}", span, "write a number of at least 0")
        elif value > MAX_REPEAT:
            self.add(
                "AS308", f"a step is repeated {value:,} times, more than {MAX_REPEAT:,}", span, "lower `repeat`"
            )
        else:
            return int(value)
        return None

    def survey_expression(self, name: str, expr: Expr | None, span: Span | None, known: Collection[str]) -> None:
        """Record the names in an expression that nobody knows."""
        if expr is not None and span is not None:
            for each in sorted(names(expr) - set(known)):
                self._wrong(name, unknown(each), span, known)

    def _check_names(
        self, signature: Signature, given: Given, meant: dict[str, str] | None = None, *, complete: bool = True
    ) -> bool:
        """Whether no argument is missing, and none unknown but those that are surely misspelt, which go into `meant`."""
        near_ones: set[str] = set()
        sound = True
        for name, node in given.nodes.items():
            if name in signature.kinds:
                continue
            if isinstance(node.value, dict) and (callee := did_you_mean(name, OPS)):  # of a step called as this is
                span = given.keys.get(name, given.span)
                message = f"there is no operation `{name}`, and `{signature.name}` has no such argument"
                self.add("AS303", message, span, callee)
                return False
            takes = signature.kinds.keys() - given.nodes.keys()
            near, help_ = meant_argument(name, signature.name, signature.kinds, given.beside)
            if near in given.nodes:
                help_ = f"it means `{near}`, which is given as well: take `{name}` out"
            surely, fix = surely_meant(name, takes, given.keys.get(name, given.span), given.beside)
            near_ones |= {near} if near else set()
            sound = sound and surely is not None
            if given.guessed and surely is None:
                continue
            if meant is not None and surely is not None:
                meant[name] = surely
            span = given.keys.get(name, given.span)
            self.add("AS303", f"`{signature.name}` has no argument `{name}`", span, help_, fix=fix)
            self.problems.close(span)  # of others that are applied here by name it would be said again
        for name in signature.required if complete else ():
            if name not in given.nodes and name not in near_ones:
                sound = False
                if given.guessed:
                    continue
                help_ = f"give it, as in `{name}: {signature.kinds[name].example}`"
                self.add("AS304", f"`{signature.name}` needs `{name}`", given.span, help_, signature.declared)
        return sound

    def _compute(
        self, raw: object, kind: Kind, scope: Mapping[str, Value], name: str, span: Span
    ) -> tuple[Any, Symbol | None] | None:
        try:
            value, symbol = compute(raw, kind, scope)
            return value, None if symbol is None else substituted(symbol, self.constants)
        except ArgumentError as error:
            fix = fix_of(error, raw, span)
            self.add(error.code, f"`{name}`: {error}", span, error.help, fix=fix, about=mentioned(raw))
            known = error.meant is not None and not isinstance(raw, (list, tuple))
            return (kind.parse(error.meant), None) if known else None
        except ExpressionError as error:
            self._wrong(name, error, span, scope, kind, raw)
            text = kind.replacement(raw) if isinstance(raw, str) else None
            if text is not None:
                return kind.parse(resolve_scalar(text)), None
            meant = certain(error.name, scope) if error.name is not None else None
            if meant is not None and error.name is not None:
                return self._compute(raw, kind, {**scope, error.name: scope[meant]}, name, span)
        return None

    def _wrong(
        self, name: str, error: ExpressionError, span: Span, known: Collection[str], kind: Kind | None = None,
        raw: object = None,
    ) -> None:  # fmt: skip
        instead = kind.instead_of(error.name, known) if kind and error.name else None
        if error.name in self.lists:
            instead = f"`{error.name}` is a list, for which `${error.name}` stands"
        text = kind.replacement(raw) if kind and isinstance(raw, str) else None
        if text is not None:
            self.add(
                error.code, f"`{name}`: {error}", span, instead or f"write `{text}`", fix=rewriting(span, text)
            )
            return
        fix = respelling(span, error.name, known) if error.name and instead is None else None
        self.add(
            error.code, f"`{name}`: {error}", span, instead or error.remedy(known), fix=fix, about=mentioned(raw)
        )


def fix_of(error: ArgumentError, raw: object, span: Span) -> Fix | None:
    """The fix of a value that was computed and is of another type: it is written, or its division is."""
    if error.meant is None or isinstance(raw, (list, tuple)):
        return None
    return dividing(span) if isinstance(raw, str) else rewriting(span, str(error.meant))

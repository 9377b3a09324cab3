"""From the arguments that a step gives to those that an operation or block takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from archspec.diagnostics import Diagnostics, Fix, Related, Span
from archspec.diagnostics.fixes import certain, respelling, rewriting
from archspec.diagnostics.spelling import did_you_mean, nearest, suggestion
from archspec.expansion.declarations import Declaration, Signature
from archspec.expansion.evaluator import Evaluator
from archspec.expansion.given import Bound, Given, signature_of
from archspec.ir import Call
from archspec.language import synonyms
from archspec.language.layers import Layer, LayerKind
from archspec.language.values import mentioned, names_in
from archspec.ops import OPS, ArgumentError, Op, ShapeError
from archspec.ops.arguments import Kind, describe
from archspec.syntax.expressions import ExpressionError, Symbol, Value
from archspec.syntax.nodes import Node, node_of


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


class Binder(Evaluator):
    """Gives operations and blocks their arguments."""

    def __init__(self, problems: Diagnostics, defaults: dict[str, Given]) -> None:
        super().__init__(problems)
        self.defaults = defaults
        self.used: dict[tuple[str, Given], list[str] | None] = {}
        self.made: dict[object, tuple[Op, dict[str, Symbol]]] = {}
        self.calls: dict[object, Call] = {}
        """Those that blocks have in common."""
        self.layers: Callable[[str], tuple[Signature, Given | None] | None] = lambda name: None
        """What can be a layer by its name: what it takes, and what a role gives it."""
        self.words: Callable[[], list[str]] = list

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
        if used is None:
            return None
        try:
            return use, tuple([(type(value := scope[name]), value) for name in used])
        except KeyError:
            return None

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
        return self.compute(node.plain(), kind, scope, name, node.span)

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

    def survey(self, signature: Signature, given: Given, known: Collection[str], base: Given | None = None) -> None:
        """Record what is wrong with arguments whatever the names in them stand for; `base` was looked at elsewhere."""
        self._check_names(signature, given.over(base).over(self.defaults.get(signature.name)))
        for name, node in given.nodes.items():
            if name in signature.kinds:
                self.survey_value(name, node, signature.kinds[name], known)

    def survey_names(self, signature: Signature, given: Given) -> None:
        """Record arguments that are unknown, and values that are wrong in any scope, where others may be given elsewhere."""
        self._check_names(signature, given, complete=False)
        for name, node in given.nodes.items():
            if name in signature.kinds:
                self.survey_value(name, node, signature.kinds[name], None)

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

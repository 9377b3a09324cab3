"""Document to spec: argument references and interpolation are replaced, then Pydantic validates.

Pydantic's errors become diagnostics with the place of the value they are about.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from archspec.diagnostics import Diagnostics, Span
from archspec.language import Spec
from archspec.loading.document import Document
from archspec.loading.recipes import with_recipe
from archspec.loading.validation import record_validation
from archspec.syntax.expressions import ExpressionError, Value, evaluate, unknown
from archspec.syntax.interpolation import Interpolation
from archspec.syntax.nodes import Node, node_of
from archspec.syntax.parse import parse

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)
_OPERATOR = re.compile(r"[-+*/%(\s]")
_HYPHENATED = re.compile(r"[A-Za-z]\w*(-\w+)*", re.ASCII)
PLACEHOLDER = "placeholder"
"""The origin of a value that stands for one that is missing or wrong."""
_BESIDE_THE_NET = ("train", "expect", "init", "doc", "presets")
_SCOPED = ("blocks", "shortcuts", "args", "presets", "extends", "archspec")  # have scopes of their own, or none


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A validated spec, its document, and the names that its expressions may use.

    `lost` holds the places of mistakes that were cut out so that later passes can look for more: a key, or the name of a
    block or shortcut in its mapping.
    """

    spec: Spec
    root: Node
    scope: Mapping[str, Value]
    document: Document
    lost: frozenset[tuple[str, ...]] = frozenset()

    @property
    def lost_steps(self) -> bool:
        """Whether steps or stages were cut out, whose values other steps may name."""
        return any(place[0] in ("stem", "stages") and len(place) < 3 for place in self.lost)

    @property
    def sound(self) -> bool:
        """Whether nothing was cut out."""
        return not self.lost

    @property
    def whole_net(self) -> bool:
        """Whether the net is all there: what was cut out, if anything, says how it is trained or described."""
        return all(place[0] in _BESIDE_THE_NET for place in self.lost)


def resolve(document: Document, problems: Diagnostics) -> Resolved | None:
    """Validate a document; None where it cannot be gone on with. Mistakes are recorded."""
    scope = _arguments(document.root, problems)
    lists = _lists(document.root)
    unusable = {name for name, _ in _entries(document.root.get("args"))} - scope.keys() - lists.keys()
    origins = {
        k: f"args.{k}, {v.origin}" if v.origin else f"args.{k}" for k, v in _entries(document.root.get("args"))
    }
    root = with_recipe(_Substitution(scope, lists, origins, unusable, problems).apply(document.root), problems)
    scope = {**dict.fromkeys(unusable, 1), **scope}
    lost: set[tuple[str, ...]] = {("args", name) for name in unusable}
    classes = root.get("classes")
    if classes is not None and isinstance(classes.value, (int, float, str)):
        try:
            value = evaluate(parse(classes.value), scope) if isinstance(classes.value, str) else classes.value
            scope = {**scope, "classes": value}
        except ExpressionError:
            pass  # validation says so at the place
    try:
        spec = Spec.model_validate(root.plain(), context={"scope": scope})
    except ValidationError as error:
        record_validation(error, root, Spec, scope, problems)
        return _without_mistakes(root, error, scope, document, lost)
    return Resolved(spec, root, scope, document, frozenset(lost))


_PLACEHOLDERS: dict[str, object] = {"archspec": 1, "name": "net", "classes": 10, "input": {"size": 224}}


def _without_mistakes(
    root: Node, error: ValidationError, scope: Mapping[str, Value], document: Document, lost: set[tuple[str, ...]]
) -> Resolved | None:
    """What is left of a spec when the values that are wrong are taken out, so that later mistakes are found as well."""
    scope = {"classes": 10, **scope}
    for _ in range(4):  # taking a value out can leave something else incomplete
        for detail in error.errors(include_url=False):
            loc, place = detail["loc"], tuple(map(str, detail["loc"]))
            lost.add(place[:2] if loc[0] in ("blocks", "shortcuts") else place)
            instead = _instead_of(loc, root.span)
            incomplete = detail["type"] == "missing" and instead is None and len(loc) > 1
            root = _cut(root, loc[:-1] if incomplete else loc, instead)
        values = {k: node_of(v, root.span) for k, v in _PLACEHOLDERS.items() if root.get(k) is None}
        if "classes" in values:
            scope = {**scope, "classes": 10}
        root = Node({**values, **dict(root.items())}, root.span, root.keys)
        try:
            spec = Spec.model_validate(root.plain(), context={"scope": scope})
        except ValidationError as more:
            error = more
        else:
            return Resolved(spec, root, scope, document, frozenset(lost))
    return None


def _instead_of(loc: tuple[Any, ...], span: Span) -> Node | None:
    """What a value is replaced by: a stage stays where it is without its name or its block."""
    if loc[0] == "stages" and loc[2:] in (("name",), ("block",)):
        return Node(f"placeholder_{loc[1]}" if loc[2] == "name" else None, span, origin=PLACEHOLDER)
    return None


def _cut(node: Node, loc: tuple[Any, ...], instead: Node | None) -> Node:
    """A document with something else, or nothing, at a place."""
    if not loc or isinstance(node.value, (str, int, float)) or node.value is None:
        return node
    whole = dict[Any, Node](enumerate(node.value) if isinstance(node.value, list) else node.value)
    inner = whole.pop(loc[0], None)
    if inner is not None and len(loc) > 1 and isinstance(inner.value, (dict, list)):
        whole[loc[0]] = _cut(inner, loc[1:], instead)
    elif instead is not None:
        whole[loc[0]] = instead
    values = [whole[index] for index in sorted(whole)] if isinstance(node.value, list) else whole
    return Node(values, node.span, node.keys, origin=node.origin)


def _arguments(root: Node, problems: Diagnostics) -> dict[str, Value]:
    """The values of the spec's arguments; one may be an expression in those before it."""
    scope: dict[str, Value] = {}
    for name, node in _entries(root.get("args")):
        if isinstance(node.value, str) and _is_expression(node.value, scope):
            try:
                scope[name] = evaluate(parse(node.value), scope)
            except ExpressionError as error:
                problems.add(error.code, f"`{name}`: {error}", node.span, error.remedy(scope))
        elif isinstance(node.value, (str, int, float)):
            scope[name] = node.value
    return scope


def _lists(root: Node) -> dict[str, Node]:
    """The arguments that are lists, for which `$name` stands."""
    return {name: node for name, node in _entries(root.get("args")) if isinstance(node.value, list)}


def _is_expression(text: str, scope: Mapping[str, Value]) -> bool:
    """Whether an argument's text is to be computed: it has operators, and is no word with hyphens such as `se-a`."""
    if _HYPHENATED.fullmatch(text):
        return not scope.keys().isdisjoint(text.split("-"))
    return _OPERATOR.search(text) is not None


def _entries(node: Node | None) -> list[tuple[str, Node]]:
    return node.items() if node is not None else []


class _Substitution:
    """Replaces references to arguments; `unusable` ones have no value, which is a mistake of its own."""

    def __init__(
        self,
        scope: Mapping[str, Value],
        lists: Mapping[str, Node],
        origins: Mapping[str, str],
        unusable: Collection[str],
        problems: Diagnostics,
    ) -> None:
        self.scope = scope
        self.lists = lists
        self.origins = origins
        self.unusable = unusable
        self.problems = problems

    def apply(self, node: Node, path: tuple[str, ...] = ()) -> Node:
        """A document with the values of arguments; what is an expression anyhow stays."""
        if isinstance(node.value, dict):
            values = {
                k: v if not path and k in _SCOPED else self.apply(v, (*path, k)) for k, v in node.value.items()
            }
            for key in ("blocks", "shortcuts") if not path and self.lists else ():
                if (declared := values.get(key)) is not None:
                    values[key] = self._declared(declared)
            return Node(values, node.span, node.keys, node.size, node.origin)
        if isinstance(node.value, list):
            return Node([self.apply(v, path) for v in node.value], node.span, origin=node.origin)
        if not isinstance(node.value, str):
            return node
        if match := _REFERENCE.fullmatch(node.value):
            return self._referred(node, match[1], path)
        if path in (("name",), ("class_name",)):
            return Interpolation(node, self.scope, self.unusable, self.problems).node
        return node

    def _declared(self, node: Node, own: Collection[str] = ()) -> Node:
        """The declarations of blocks with the lists of the spec, but for names that are arguments of `own`."""
        if isinstance(node.value, dict):
            own = own or [name for name, _ in _entries(node.get("args"))]
            values = {key: self._declared(value, own) for key, value in node.value.items()}
            return Node(values, node.span, node.keys, node.size, node.origin)
        if isinstance(node.value, list):
            return Node([self._declared(value, own) for value in node.value], node.span, origin=node.origin)
        match = _REFERENCE.fullmatch(node.value) if isinstance(node.value, str) else None
        return self._list(node, match[1]) if match and match[1] in self.lists and match[1] not in own else node

    def _list(self, node: Node, name: str) -> Node:
        found = self.lists[name]
        return Node(found.value, found.span, origin=node.origin or self.origins[name])

    def _referred(self, node: Node, name: str, path: tuple[str, ...]) -> Node:
        if name in self.lists:
            return self._list(node, name)
        if name in self.scope:
            return node_of(self.scope[name], node.span, origin=node.origin or self.origins[name])
        if path[:1] not in (("stem",), ("head",)):
            if name not in self.unusable:
                error = unknown(name)
                self.problems.add(error.code, str(error), node.span, error.remedy(self.scope))
            self.problems.close(node.span)
        return node

"""Document to spec: argument references and interpolation are replaced, then Pydantic validates.

Pydantic's errors become diagnostics with the place of the value they are about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from archspec.diagnostics import Diagnostics, Span, did_you_mean
from archspec.expressions import ExpressionError, Value, evaluate, parse
from archspec.language import Spec
from archspec.load import Document, with_recipe
from archspec.ops.fields import describe
from archspec.reader import Node, node_of

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)
_INTERPOLATION = re.compile(r"\{([^{}]*)\}")
_SCOPED = ("blocks", "shortcuts", "args", "presets", "extends", "archspec")  # have scopes of their own, or none


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A validated spec, its document, and the names that its expressions may use."""

    spec: Spec
    root: Node
    scope: Mapping[str, Value]
    document: Document
    sound: bool = True  # False: mistakes were cut out so that later passes can look for more


def resolve(document: Document, problems: Diagnostics) -> Resolved | None:
    """Validate a document; None where it cannot be gone on with. Mistakes are recorded."""
    scope = _arguments(document.root)
    root = _substitute(document.root, scope, problems, ())
    root = with_recipe(root, problems)
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
        return _without_mistakes(root, error, scope, document)
    return Resolved(spec, root, scope, document)


_PLACEHOLDERS: dict[str, object] = {"archspec": 1, "name": "net", "classes": 10, "input": {"size": 224}}


def _without_mistakes(
    root: Node, error: ValidationError, scope: Mapping[str, Value], document: Document
) -> Resolved | None:
    """What is left of a spec when the values that are wrong are taken out, so that later mistakes are found as well."""
    scope = {**scope, "classes": 10}
    for _ in range(4):  # taking a value out can leave something else incomplete
        for detail in error.errors(include_url=False):
            root = _cut(root, detail["loc"])
        values = {k: node_of(v, root.span) for k, v in _PLACEHOLDERS.items() if root.get(k) is None}
        root = Node({**values, **dict(root.items())}, root.span, root.keys)
        try:
            spec = Spec.model_validate(root.plain(), context={"scope": scope})
        except ValidationError as more:
            error = more
        else:
            return Resolved(spec, root, scope, document, sound=False)
    return None


def _cut(node: Node, loc: tuple[Any, ...]) -> Node:
    """A document without the value at a place; a stage keeps a name."""
    if not loc:
        return node
    if isinstance(node.value, dict):
        inner = node.value.get(loc[0])
        if inner is None or len(loc) == 1 or not isinstance(inner.value, (dict, list)):
            rest = {k: v for k, v in node.value.items() if k != loc[0]}
            if loc[0] == "name" and "block" in rest:
                rest["name"] = Node(f"stage{node.span.line}", node.span)
        else:
            rest = {**node.value, loc[0]: _cut(inner, loc[1:])}
        return Node(rest, node.span, node.keys, origin=node.origin)
    if isinstance(node.value, list) and isinstance(loc[0], int) and loc[0] < len(node.value):
        items = list(node.value)
        if len(loc) == 1 or not isinstance(items[loc[0]].value, (dict, list)):
            del items[loc[0]]
        else:
            items[loc[0]] = _cut(items[loc[0]], loc[1:])
        return Node(items, node.span, origin=node.origin)
    return node


def _arguments(root: Node) -> dict[str, Value]:
    args = root.get("args")
    return {k: v.value for k, v in args.items() if isinstance(v.value, (str, int, float))} if args else {}


def _substitute(node: Node, scope: Mapping[str, Value], problems: Diagnostics, path: tuple[str, ...]) -> Node:
    if isinstance(node.value, dict):
        values = {
            k: v if not path and k in _SCOPED else _substitute(v, scope, problems, (*path, k))
            for k, v in node.value.items()
        }
        return Node(values, node.span, node.keys, node.size, node.origin)
    if isinstance(node.value, list):
        return Node([_substitute(v, scope, problems, path) for v in node.value], node.span, origin=node.origin)
    if not isinstance(node.value, str):
        return node
    if match := _REFERENCE.fullmatch(node.value):
        if match[1] in scope:
            return Node(scope[match[1]], node.span, origin=node.origin or f"args.{match[1]}")
        if path[:1] != ("stem",) and path[:1] != ("head",):
            problems.add("AS202", f"unknown name `{match[1]}`", node.span, did_you_mean(match[1], scope))
        return node
    if path in (("name",), ("class_name",)):
        return Node(_interpolate(node, node.value, scope, problems), node.span, origin=node.origin)
    return node


def _interpolate(node: Node, text: str, scope: Mapping[str, Value], problems: Diagnostics) -> str:
    def value(match: re.Match[str]) -> str:
        try:
            return str(evaluate(parse(match[1]), scope))
        except ExpressionError as error:
            help_ = did_you_mean(error.name, scope) if error.name else None
            problems.add(error.code, str(error), node.span, help_)
            return "x"

    return _INTERPOLATION.sub(value, text)


def record_validation(
    error: ValidationError, root: Node, model: type[BaseModel], scope: Mapping[str, Value], problems: Diagnostics
) -> None:
    """Turn what Pydantic found in a document into diagnostics."""
    for detail in error.errors(include_url=False):
        _record(detail, root, model, scope, problems)


def _record(
    detail: Any, root: Node, model: type[BaseModel], scope: Mapping[str, Value], problems: Diagnostics
) -> None:
    kind, loc = detail["type"], detail["loc"]
    node, key, reached = locate(root, loc)
    code, help_ = "AS103", None
    if kind.startswith("AS"):
        code, message, help_ = kind, detail["ctx"]["message"], detail["ctx"]["help"]
        if code == "AS202" and help_ is None:
            help_ = did_you_mean(message.split("`")[1], scope)
    elif kind == "extra_forbidden":
        code, message = "AS101", f"unknown key `{loc[-1]}`"
        help_ = did_you_mean(str(loc[-1]), _fields_at(model, loc[:-1]))
    elif kind == "missing":
        where = f" in `{'.'.join(map(str, loc[:-1]))}`" if loc[:-1] else ""
        code, message = "AS102", f"`{loc[-1]}` is missing{where}"
    elif kind == "literal_error":
        message = f"expected {detail['ctx']['expected']}, not {describe(detail['input'])}"
        help_ = did_you_mean(str(detail["input"]), re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
    elif kind in ("too_short", "too_long", "string_too_long", "greater_than_equal"):
        code, message = "AS104", detail["msg"]
    else:
        message = f"{_EXPECTED.get(kind, detail['msg'])}, not {describe(detail['input'])}"
    at_value = not isinstance(node.value, (dict, list)) and kind != "extra_forbidden"
    named = reached and isinstance(loc[reached - 1], str) and kind not in ("missing", "extra_forbidden")
    message = f"`{loc[reached - 1]}`: {message}" if named else message
    problems.add(code, message, node.span if at_value else key, help_)


_EXPECTED = {
    "string_type": "expected text",
    "dict_type": "expected a mapping",
    "list_type": "expected a list",
    "tuple_type": "expected [height, width]",
    "model_type": "expected a mapping",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
}


def locate(root: Node, loc: tuple[Any, ...]) -> tuple[Node, Span, int]:
    """The node that an error is about, the place of its key, and how many parts of `loc` led there."""
    node, key, reached = root, root.span, 0
    for index, part in enumerate(loc):
        if isinstance(node.value, dict) and part in node.value:
            key, node, reached = node.key_span(part), node.value[part], index + 1
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node, reached = node.value[part], index + 1
            key = node.span
    return node, key, reached


def _fields_at(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """The keys that the language knows at a place, for suggestions."""
    models = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        models = [m for owner in models for m in _models(_annotation(owner, part))] or models
    return [field.alias or name for m in models for name, field in m.model_fields.items()]


def _annotation(model: type[BaseModel], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field.annotation
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for inner in get_args(annotation) for m in _models(inner)]

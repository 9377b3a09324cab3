"""What Pydantic found wrong in a document, as diagnostics with the place of the value and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from archspec.diagnostics import Diagnostics, Fix, Span
from archspec.diagnostics.fixes import respelling, rewriting
from archspec.diagnostics.spelling import did_you_mean, nearest
from archspec.language import synonyms
from archspec.loading.document import FILE_NAME
from archspec.ops.arguments import Flag, describe
from archspec.syntax.expressions import Value, unknown
from archspec.syntax.nodes import Node


def record_validation(
    error: ValidationError, root: Node, model: type[BaseModel], scope: Mapping[str, Value], problems: Diagnostics
) -> None:
    """Turn what Pydantic found in a document into diagnostics."""
    for detail in error.errors(include_url=False):
        _record(detail, root, model, scope, problems)


def _record(
    detail: Any, root: Node, model: type[BaseModel], scope: Mapping[str, Value], problems: Diagnostics
) -> None:
    kind, loc = detail["type"], (*detail["loc"], *detail.get("ctx", {}).get("at", ()))
    node, key, reached = locate(root, loc)
    is_word = kind == "extra_forbidden" and reached < len(loc)
    named = reached and isinstance(loc[reached - 1], str) and loc[-1] != "[key]"
    if kind.startswith("AS"):
        code, message, help_ = _ours(detail, scope)
        if code == "AS106" and node.origin == FILE_NAME:
            named, message = False, f"the file's name `{node.value}` cannot name the net"
            help_ = f"give the net a `name`: {help_}"
        if loc == ("classes",) and isinstance(detail["input"], (dict, list)):
            code, message = "AS103", f"expected how many there are, not {describe(detail['input'])}"
            help_ = (
                "such as `classes: 10`; their names are those of the data's folders, and cannot be said here yet"
            )
    elif kind == "extra_forbidden":
        named = named and is_word
        code, message = "AS101", f"unknown {'word' if is_word else 'key'} `{loc[-1]}`"
        around = str(loc[-2]) if len(loc) > 1 else ""
        beside = {key for key, _ in locate(root, loc[:-1])[0].items()} - {loc[-1]}
        help_ = (synonyms.value(around, str(loc[-1])) if is_word else None) or _meant(
            str(loc[-1]), around, _fields_at(model, loc[:-1]), beside
        )
    elif kind == "missing":
        where = f" in `{'.'.join(map(str, loc[:-1]))}`" if loc[:-1] else ""
        code, message, named = "AS102", f"`{loc[-1]}` is missing{where}", False
        example = "value: fc" if loc[0] == "outputs" else _EXAMPLES.get(str(loc[-1]), f"{loc[-1]}: ...")
        help_ = f"add `{example}`"
    elif kind in ("too_short", "too_long", "string_too_long"):
        code, (message, help_) = "AS104", _of_length(detail)
    else:
        code, (message, help_) = "AS103", _of_type(detail, loc, model)
    is_key = loc[-1] == "[key]" or (kind == "extra_forbidden" and not is_word)
    at_value = not isinstance(node.value, (dict, list)) and not is_key
    message = f"`{loc[reached - 1]}`: {message}" if named else message
    span = node.span if at_value else key
    problems.add(code, message, span, help_, fix=_fix(detail, loc, model, scope, span))


def _fix(
    detail: Any, loc: tuple[Any, ...], model: type[BaseModel], scope: Mapping[str, Value], span: Span
) -> Fix | None:
    """What can be put right without asking: a word that is mistyped, or a value in words of another system."""
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return respelling(span, str(loc[-1]), _fields_at(model, loc[:-1]))
    if kind == "literal_error":
        return respelling(span, given, _choices(detail)) if isinstance(given, str) else None
    if kind == "bool_type":
        return rewriting(span, Flag().replacement(given)) if isinstance(given, str) else None
    if not kind.startswith("AS"):
        return None
    if kind == "AS202" and detail["ctx"]["instead"] is None:
        return respelling(span, detail["ctx"]["message"].split("`")[1], scope)
    return rewriting(span, detail["ctx"]["instead"])


def _choices(detail: Any) -> list[str]:
    return re.findall(r"'([^']*)'", detail["ctx"]["expected"])


_EXAMPLES = {
    "archspec": "archspec: 1",
    "input": "input: {channels: 3, size: 224}",
    "classes": "classes: 1000",
    "size": "size: 224",
    "name": "name: layer1",
    "block": "block: basic",
    "std": "std: 0.01",
    "decay": "decay: 0.999",
    "from": "from: 0.1",
    "to": "to: 0",
    "low": "low: 256",
    "high": "high: 480",
    "value": "value: 160",
}


def _ours(detail: Any, scope: Mapping[str, Value]) -> tuple[str, str, str | None]:
    """Code, message and help of a mistake that a model of the language raised."""
    code, message, help_ = detail["type"], detail["ctx"]["message"], detail["ctx"]["help"]
    if code == "AS202" and help_ is None:
        help_ = unknown(message.split("`")[1]).remedy(scope)
    return code, message, help_


def _of_length(detail: Any) -> tuple[str, str]:
    """Message and help of a list or text that is too long or too short."""
    context = detail["ctx"]
    if detail["type"] == "string_too_long":
        most = context["max_length"]
        return f"must have at most {most:,} characters, not {len(detail['input']):,}", "shorten it"
    least, most = context.get("min_length"), context.get("max_length")
    bound = f"at least {least}" if most is None else f"at most {most}"
    return f"must have {bound} items, not {len(detail['input'])}", "give as many as are asked for"


def _of_type(detail: Any, loc: tuple[Any, ...], model: type[BaseModel]) -> tuple[str, str | None]:
    """Message and help of a value of another type."""
    kind, given, key = detail["type"], detail["input"], loc[-1]
    if kind == "literal_error":
        expected = detail["ctx"]["expected"]
        help_ = did_you_mean(str(given), _choices(detail))
        return f"expected {expected}, not {describe(given)}", help_
    if kind == "list_type" and isinstance(given, dict):
        return "expected a list, not a mapping", "give the whole list: `[...]`, or an item after each `- `"
    expected, help_ = _EXPECTED.get(kind, (detail["msg"], None))
    if kind == "dict_type" and key == "outputs":
        help_ = "name them: `outputs: {out: fc}`"
    elif kind == "list_type" and isinstance(given, str):
        help_ = f"write `{key}: [{given}]`, or an item after each `- `"
    elif kind == "model_type":
        known = _fields_at(model, loc)
        help_ = (
            "its keys are " + ", ".join(f"`{k}`" for k in known) if known else f"it takes nothing: write `{key}`"
        )
    elif given is None:
        help_ = "write it after the `:`, or take the key out"
    elif kind == "string_type" and isinstance(given, (int, float)) and not isinstance(given, bool):
        help_ = "begin it with a letter" if key == "name" else f"put it in quotes: `'{given}'`"
    return f"{expected}, not {describe(given)}", help_


_EXPECTED: dict[str, tuple[str, str | None]] = {
    "string_type": ("expected text", "put text that holds signs of YAML in quotes"),
    "dict_type": ("expected a mapping", "such as `{key: value}`"),
    "list_type": ("expected a list", "write `[...]`, or an item after each `- `"),
    "tuple_type": ("expected one number or [height, width]", "such as `size: 32`"),
    "model_type": ("expected a mapping", "such as `{key: value}`"),
    "bool_type": ("expected true or false", "write `true` or `false`"),
    "int_type": ("expected a whole number", "write it without quotes"),
    "float_type": ("expected a number", "write it without quotes"),
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


def _meant(word: str, around: str, known: list[str], beside: Collection[str]) -> str | None:
    """What an unknown key may have been: one of other systems or without its colon, one that is near, or any that there is."""
    meaning = synonyms.key(word, around, known)
    meant = meaning.word if meaning else nearest(word, known)
    if meant in beside:
        return f"it means `{meant}`, which is given as well: take `{word}` out"
    if meaning:
        return meaning.help
    key, _, value = word.partition(" ")
    if value and key in known:
        return f"write `{key}: {value.strip()}`"
    return did_you_mean(word, known) or (
        "known here: " + ", ".join(f"`{k}`" for k in sorted(known)) if known else None
    )


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

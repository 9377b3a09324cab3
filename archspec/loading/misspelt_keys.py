"""Keys that are misspelt are recorded and then read as what was meant, so that the rest of a spec still makes sense."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from archspec.diagnostics import Diagnostics
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import nearest, suggestion
from archspec.language import synonyms
from archspec.syntax.nodes import Node


def mend_keys(node: Node, annotation: Any, problems: Diagnostics, around: str = "") -> Node:
    """A document with the keys that the language has, where it is plain which one was meant."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _mend_mapping(node, annotation, problems, around)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return mend_keys(node, parts[0], problems, around)
    if origin in (Union, UnionType):
        for part in parts:
            node = mend_keys(node, part, problems, around)
    elif origin is list and isinstance(node.value, list):
        items = [mend_keys(item, parts[0], problems, around) for item in node.value]
        return Node(items, node.span, size=node.size, origin=node.origin)
    elif origin is dict and isinstance(node.value, dict):
        values = {key: mend_keys(value, parts[1], problems) for key, value in node.value.items()}
        return Node(values, node.span, node.keys, node.size, node.origin)
    return node


def _mend_mapping(node: Node, model: type[BaseModel], problems: Diagnostics, around: str) -> Node:
    if not isinstance(node.value, dict):
        return node
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    values: dict[str, Node] = {}
    keys = dict(node.keys)
    for key, value in node.value.items():
        meaning = None if model.model_config.get("extra") == "allow" else synonyms.key(key, around, fields)
        present = node.value.keys() | values.keys()
        meant = _meant(key, present, model) if meaning is None else meaning.word or key
        meant = key if meant in present else meant
        if meant != key:
            span = keys[meant] = node.key_span(key)
            fix = respelling(span, key, [name for name in fields if name not in node.value])
            problems.add(
                "AS101", f"unknown key `{key}`", span, meaning.help if meaning else suggestion(key, meant), fix=fix
            )
            problems.close(span)  # it may not have been meant so
            problems.close(value.span)
        values[meant] = mend_keys(value, fields[meant].annotation, problems, meant) if meant in fields else value
    return Node(values, node.span, keys, node.size, node.origin)


def _meant(key: str, present: set[str], model: type[BaseModel]) -> str:
    """The field that a key was meant to be, if that is not there; in an open mapping only one that is needed."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    if key in fields:
        return key
    is_open = model.model_config.get("extra") == "allow"
    near = nearest(key, [name for name, field in fields.items() if field.is_required() or not is_open])
    return key if near is None or near in present else near

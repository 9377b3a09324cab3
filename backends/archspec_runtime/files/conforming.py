"""Whether what was read from a file has what it should: the record of a run, its metrics, and whatever a dataclass describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from archspec_runtime.parts import extra
from archspec_runtime.recipe.recipe import AUGMENTATIONS, VOCABULARY

RECORD: Mapping[str, Any] = {
    "backend": str,
    "class": str,
    "data": str | None,
    "settings": dict,
    "images": dict | None,
    "overridden": list | None,
    "memory": dict | None,
    "job": {
        "name": str,
        "input_shape": list,
        "classes": int,
        "recipe": {"steps": int | None, "epochs": int | None, "seed": int, "data": {"dataset": str}},
    },
}
"""What the record of every version has; what may be None may be left out."""

MEASURED: Mapping[str, Mapping[str, Any]] = {
    "train": {"epoch": float, "train_error": float},
    "eval": {"epoch": float, "split": str, "top1_error": float},
}
"""What the rows of `metrics.jsonl` have beside their step, by their kind; those of other kinds only tell something."""


def lacking(record: object, wanted: Mapping[str, Any] = RECORD) -> str | None:
    """The dotted key of the first value that a record has not, or of another kind; None where all is there."""
    if not isinstance(record, dict):
        return "{}"
    for key, kind in wanted.items():
        value = record.get(key)
        if isinstance(kind, Mapping):
            inner = lacking(value, kind)
            if inner is not None:
                return key if inner == "{}" else f"{key}.{inner}"
        elif not conforms(value, kind):
            return key
    return None


def measures(row: Mapping[str, Any]) -> bool:
    """Whether a row of metrics has all that its kind has."""
    kind = row.get("kind")
    return isinstance(kind, str) and lacking(row, MEASURED.get(kind, {})) is None


def odd(value: object) -> str | None:
    """The dotted name of the first field of a dataclass whose value is not of its type; None where all are.

    Where not all that recipes may say is there, types that it could be of are not known, and nothing is looked at.
    """
    assert is_dataclass(value)
    vocabulary = [extra(module) for module in (AUGMENTATIONS, VOCABULARY)]
    if None in vocabulary:
        return None
    hints = get_type_hints(type(value), localns={k: v for module in vocabulary for k, v in vars(module).items()})
    for field in fields(value):
        inner = getattr(value, field.name)
        if not conforms(inner, hints[field.name]):
            deeper = odd(inner) if is_dataclass(inner) else None
            return f"{field.name}.{deeper}" if deeper else field.name
    return None


def conforms(value: object, hint: Any) -> bool:
    """Whether a value is of a type as annotations say it; a whole number is a float as well."""
    of = get_args(hint)
    match get_origin(hint):
        case origin if origin in (Union, UnionType):
            return any(conforms(value, one) for one in of)
        case origin if origin is Literal:
            return value in of
        case origin if origin is list:
            return isinstance(value, list) and all(conforms(one, of[0]) for one in value)
        case origin if origin is tuple:
            if not isinstance(value, tuple):
                return False
            each = of[:1] * len(value) if of[-1] is Ellipsis else of
            return len(value) == len(each) and all(map(conforms, value, each))
    if isinstance(value, bool):
        return hint is bool
    if is_dataclass(hint):
        return isinstance(value, hint) and odd(value) is None  # type: ignore[arg-type]
    return isinstance(value, {float: (float, int), None: NoneType}.get(hint, hint))

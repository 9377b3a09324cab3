"""Whether the fields of a dataclass, such as a job that was read from a file, are of the types that they are annotated with."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from archspec_runtime.recipe import augmentations, vocabulary


def odd(value: object) -> str | None:
    """The dotted name of the first field of a dataclass whose value is not of its type; None where all are."""
    assert is_dataclass(value)
    hints = get_type_hints(type(value), localns={**vars(augmentations), **vars(vocabulary)})
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

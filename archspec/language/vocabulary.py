"""What the models of a recipe take from the runtime's dataclasses, where it stands once: documentation and defaults."""

from __future__ import annotations

from dataclasses import Field, fields, is_dataclass
from typing import Any, get_args

from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.recipe import every


def summary(stated: type) -> str:
    """The first line of a class's docstring."""
    return (stated.__doc__ or "").partition("\n")[0]


def kinds(stated: Any) -> dict[str, type]:
    """The classes of a union, by what recipes call them."""
    return {one.kind: one for one in get_args(stated)}


def documentation(stated: type) -> dict[str, str]:
    """What each field means, by its name."""
    return {field.name: _meaning(field) for field in fields(stated)}


def default(stated: type, name: str) -> Any:
    """What a field is where a recipe does not say it, as a spec would write it; MISSING where it has to be given."""
    (found,) = (field.default for field in fields(stated) if field.name == name)
    if isinstance(found, Step | Epoch):
        return every(found)
    return list(found) if isinstance(found, tuple) else found


def _meaning(field: Field[Any]) -> str:
    """The text beside the type; of a part of a recipe that has none, what its class is."""
    words = [word for word in getattr(field.type, "__metadata__", ()) if isinstance(word, str)]
    if words:
        return words[0]
    return summary(type(field.default)) if is_dataclass(field.default) else ""

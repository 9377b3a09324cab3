"""Keys of the language: what each means, which values it takes and which keys stand below it, from the models' fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from archspec.language.base import Computed, Model, OneOf
from archspec.language.spec import Spec
from archspec.ops.arguments import Flag, Int, Kind, Real


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a model: what it means, which values it takes, and the model of the keys below it, if there are any."""

    name: str
    doc: str
    values: str
    default: str | None  # None where it has to be given, or where nothing stands for it
    required: bool
    model: type[BaseModel] | None = None
    words: tuple[str, ...] = ()
    named: bool = False  # whether names of the user stand between it and the keys of its model
    listed: bool = False

    @property
    def is_choice(self) -> bool:
        """Whether exactly one of the keys below it is given."""
        return self.model is not None and issubclass(self.model, OneOf)


@cache
def keys_of(model: type[BaseModel]) -> dict[str, Key]:
    """The keys of a model by name, as a spec writes them."""
    return {field.alias or name: _key(field.alias or name, field) for name, field in model.model_fields.items()}


def find(path: str) -> Key | None:
    """The key at a dotted path such as `train.lr.until` or `stages.repeat`; names of the user may be left out."""
    found: Key | None = None
    model: type[BaseModel] | None = Spec
    for place, word in enumerate(path.split(".")):
        keys = keys_of(model) if model is not None else {}
        if word in keys:
            found = keys[word]
            model = found.model
        elif place == 0 or found is None or not (found.named or (found.listed and word.isdigit())):
            return None
    return found


def paths() -> list[str]:
    """The dotted paths of all keys, in order."""
    return [path for path, _ in walk()]


def walk(model: type[BaseModel] = Spec, prefix: str = "") -> Iterator[tuple[str, Key]]:
    """All keys below a model with their dotted paths, names of the user left out."""
    for name, key in keys_of(model).items():
        yield f"{prefix}{name}", key
        if key.model is not None:
            yield from walk(key.model, f"{prefix}{name}.")


def key_text(path: str, key: Key) -> str:
    """What a key is, for a terminal: its meaning, its values, its default, and the keys below it."""
    default = "it has to be given" if key.required else f"default: {key.default}" if key.default else None
    lines = [path, "", key.doc, "", f"takes: {key.values}", *([default] if default else [])]
    if key.model is not None and (below := keys_of(key.model)):
        width = max(map(len, below))
        told = "one of" if key.is_choice else "keys"
        lines += ["", f"{told}:", *(f"  {name.ljust(width)}  {one.doc}" for name, one in below.items())]
    return "\n".join(lines) + "\n"


def keys_table(model: type[BaseModel]) -> str:
    """A row of Markdown for each key below a model."""
    rows = ["| key | takes | default | what it says |", "|---|---|---|---|"]
    for path, key in walk(model):
        default = "" if key.required or key.default is None else f"`{key.default}`"
        rows.append(f"| `{path}` | {key.values} | {default} | {key.doc} |".replace("|  |", "| |"))
    return "\n".join(rows)


def _key(name: str, field: FieldInfo) -> Key:
    shape = _Shape()
    shape.read(field.annotation)
    for each in field.metadata:
        shape.note(each)
    model = shape.model if shape.model is not None and shape.model.model_fields else None
    return Key(
        name=name,
        doc=field.description or "",
        values=shape.told(),
        default=None if field.is_required() else _shown(field.default),
        required=field.is_required(),
        model=model,
        words=tuple(shape.words),
        named=shape.named,
        listed=shape.listed,
    )


class _Shape:
    """What an annotation allows."""

    def __init__(self) -> None:
        self.model: type[BaseModel] | None = None
        self.kind: Kind | None = None
        self.words: list[str] = []
        self.named = self.listed = self.flag = False
        self.role = ""

    def read(self, annotation: Any) -> None:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            for each in args[1:]:
                self.note(each)
            self.read(args[0])
        elif origin in (Union, UnionType):
            for each in args:
                self.read(each)
        elif origin is Literal:
            self.words += [str(word) for word in args]
        elif origin is dict:
            self.named = True
            self.read(args[1])
        elif origin is list:
            self.listed = True
            self.read(args[0])
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            self.model = annotation
        elif annotation is bool:
            self.kind = Flag()

    def note(self, extra: Any) -> None:
        if isinstance(extra, Computed):
            self.kind = extra.kind
        elif isinstance(extra, WithJsonSchema):
            schema = extra.json_schema or {}
            self.role = str(schema.get("x-definition", schema.get("description", schema.get("const", ""))))

    def told(self) -> str:
        """In words."""
        if self.words:
            return ", ".join(f"`{word}`" for word in self.words)
        if self.role in _ROLES:
            return _ROLES[self.role]
        if self.role:
            return self.role
        if self.model is not None:
            few = "exactly one of its keys" if issubclass(self.model, OneOf) else "a mapping"
            few = "nothing further" if self.model is Model else few
            return f"mappings by name, each {few}" if self.named else f"a list, each {few}" if self.listed else few
        if self.named:
            return "a mapping by name"
        if self.kind is not None:
            return ("a list, each " if self.listed else "") + _number(self.kind)
        return "a list" if self.listed else "text"


_ROLES = {
    "steps": "a list of steps",
    "step": "a step",
    "chain": "a list of steps",
    "call": "a name, or a name with arguments",
    "pair": "a whole number, or two",
    "number": "a whole number",
}


def _number(kind: Kind) -> str:
    if isinstance(kind, Flag):
        return "true or false"
    if isinstance(kind, Int):
        return f"a whole number of at least {kind.minimum}"
    if isinstance(kind, Real):
        low, high = kind.minimum, min(kind.below, kind.maximum)
        if low == float("-inf"):
            return "a number"
        if high != float("inf"):
            return f"a number from {low:g} to {'below ' if high == kind.below else ''}{high:g}"
        return "a number of at least 0" if low == 0 else "a number above 0"
    return "a value"


def _shown(default: Any) -> str | None:
    if default is None or default == [] or default == {} or default == "":
        return None
    if isinstance(default, OneOf):
        return default.chosen[0]
    if isinstance(default, BaseModel):
        return None
    if isinstance(default, list):
        return None if isinstance(default[0], BaseModel) else f"[{', '.join(f'{each:.4g}' for each in default)}]"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}".replace("e-0", "e-") if isinstance(default, float) else str(default)

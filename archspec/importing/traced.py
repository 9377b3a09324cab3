"""A model as its framework ran it: operations in order, each with the calls of modules that it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archspec.loading.program import Program
from archspec.ops import Features

INPUT = "input"
"""The value that the net takes."""

SHARE = "share"
"""What applies the layers of another operation again: its argument `of` is the value which that one gives."""


class InexpressibleError(Exception):
    """What a form of a spec has no words for; a longer one may have."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One call of a module that has modules of its own: two calls of one module have one path and two keys."""

    key: str
    path: str
    class_name: str
    plain: bool  # whether it is a sequence of the framework's own, which needs no name


@dataclass(slots=True)
class Operation:
    """An operation of archspec, or a block of its library, on named values; `result` is the name of what it gives."""

    result: str
    kind: str
    args: dict[str, Any]
    inputs: tuple[str, ...]
    scopes: tuple[Scope, ...]
    path: str | None  # of its module, or of its tensor; None for a function
    shape: Features
    stateful: bool = False
    word: str = ""  # what it is called where it needs a name and has none

    @property
    def called(self) -> str:
        """The name that it takes where it has none."""
        return self.word or self.kind


@dataclass(frozen=True, slots=True)
class Traced:
    """A whole model: what it takes and gives, its operations, and the children of its modules by path."""

    name: str
    class_name: str
    input: tuple[int, int, int]
    operations: tuple[Operation, ...]
    outputs: Mapping[str, str]  # names of values, by the name of the output; of a single one that is empty
    train_only: frozenset[str] = frozenset()
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(
        default_factory=dict
    )  # tensors of the model by the names that they have in a spec
    source: str = ""  # where the model was found, as the command names it
    own: str = "names, counts and answers"  # what of the model its spec has
    holes: Mapping[str, str] = field(default_factory=dict)  # why an operation is one, by the name that it has


@dataclass(frozen=True, slots=True)
class Imported:
    """A model as a spec that was proven equal to it."""

    spec: str
    network: Program
    weights: Mapping[str, Any]  # the tensors of the model, by their names in the spec
    report: tuple[str, ...]  # what was compared, a line each
    model: Any = None  # the module that was imported; of a file there is none
    renamed: Mapping[str, str] = field(
        default_factory=dict
    )  # its tensors, or of a prototxt its layers, by the spec's names of tensors

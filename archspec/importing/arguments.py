"""Arguments of blocks: what differs between the instances of one, as far as it does not follow from the rest."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archspec.importing.entries import Entry
from archspec.ops import OPS
from archspec.syntax.identifiers import step_name_fault

Place = tuple[Any, ...]

NAMES = {"out": "width", "act": "act"}
"""What the argument of a block is called that sets one of an operation."""


@dataclass(slots=True)
class Arguments:
    """The arguments of a definition, their values in each instance, and what stands in each slot."""

    declared: dict[str, Any] = field(default_factory=dict)
    values: dict[str, list[Any]] = field(default_factory=dict)
    written: dict[Place, Any] = field(default_factory=dict)

    def given(self, instance: int) -> dict[str, Any]:
        """What a use of the block says: the arguments that are not at their defaults."""
        found = {name: values[instance] for name, values in self.values.items()}
        return {name: value for name, value in found.items() if value != default_of(self.declared[name])}


def default_of(declared: Any) -> Any:
    """The value that an argument has where a use says none; None where it must."""
    if isinstance(declared, dict):
        return declared["layer"]
    return None if declared in ("int", "float", "bool", "pair") else declared


def arguments(slots: Sequence[Mapping[Place, Any]], in_channels: Sequence[int], known: Defaults) -> Arguments:
    """What the instances of a block differ in, given the values in the slots of each."""
    found = Arguments()
    places = list(dict.fromkeys(place for each in slots for place in each))
    for place in places:
        values = [each.get(place, known.get(place)) for each in slots]
        if None in values and len(set(map(repr, values))) > 1:
            values = [
                known.explicit(place, each) if v is None else v for v, each in zip(values, slots, strict=True)
            ]
        if all(value == values[0] for value in values):
            if values[0] is not None:
                found.written[place] = values[0]
            continue
        if _rows(values):  # such as the shape of a tensor
            found.written[place] = [
                column[0]
                if len(set(column)) == 1
                else _following(column, in_channels, found) or _named(place, column, found)
                for column in map(list, zip(*values, strict=True))
            ]
            continue
        expression = _following(values, in_channels, found)
        if expression is None or place[-1] == "act":
            expression = _named(place, values, found)
        found.written[place] = expression
    return found


def _following(values: Sequence[Any], in_channels: Sequence[int], found: Arguments) -> str | None:
    """An expression in the arguments that are there, which gives the values in all instances."""
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return next((name for name, others in found.values.items() if others == list(values)), None)
    sources = {name: others for name, others in found.values.items() if _whole(others)}
    sources = {"in_channels": list(in_channels), **sources}
    for name, others in sources.items():
        if others == list(values):
            return name
    if len(set(values)) < 2 or max(values) < 8:
        return None
    for name, others in sources.items():
        if min(others) < 1:
            continue
        if len(times := {v // o for v, o in zip(values, others, strict=True) if v % o == 0}) == 1 and all(
            v % o == 0 for v, o in zip(values, others, strict=True)
        ):
            return f"{name} * {times.pop()}"
        over = {o // v for v, o in zip(values, others, strict=True) if v}
        if (
            len(over) == 1
            and (by := over.pop()) > 1
            and all(o // by == v for v, o in zip(values, others, strict=True))
        ):
            return f"{name} // {by}"
    return None


def _rows(values: Sequence[Any]) -> bool:
    """Whether the values are lists of whole numbers, longer than the pairs that an argument can be."""
    return all(isinstance(value, list) and len(value) == len(values[0]) and _whole(value) for value in values) and (
        len(values[0]) != 2
    )


def _whole(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _named(place: Place, values: Sequence[Any], found: Arguments) -> str:
    word = NAMES.get(place[-1], str(place[-1]))
    word = "width" if word == "shape" else word
    name = next(
        n
        for n in (word, *(f"{word}{i}" for i in range(2, 999)))
        if n not in found.declared and step_name_fault(n) is None
    )
    found.values[name] = list(values)
    if place[-1] == "act":
        found.declared[name] = {"layer": Counter(values).most_common(1)[0][0]}
        return f"${name}"
    if any(isinstance(value, str) for value in values):
        found.declared[name] = {"layer": Counter(values).most_common(1)[0][0]}
        return f"${name}"
    if any(isinstance(value, (list, tuple)) for value in values):
        found.declared[name] = "pair"
    elif all(isinstance(value, bool) for value in values):
        found.declared[name] = Counter(values).most_common(1)[0][0]
    elif any(isinstance(value, float) for value in values):
        found.declared[name] = "float"
    elif place[-1] in ("stride", "groups", "dilation", "kernel", "padding"):
        found.declared[name] = 1 if 1 in values else Counter(values).most_common(1)[0][0]
    else:
        found.declared[name] = "int"
    return name


class Defaults:
    """What slots have that say nothing: the defaults of operations, and of the blocks that are used in them."""

    def __init__(self, entries: Sequence[Entry], declared: Mapping[str, Mapping[str, Any]]) -> None:
        self.values: dict[Place, Any] = {}
        self.kinds: dict[Place, str] = {}
        for place, entry in _all(entries):
            self.kinds[place] = entry.kind
            op = OPS.get(entry.kind)
            if op is not None:
                for one in dataclasses.fields(op):
                    if one.default is not dataclasses.MISSING and one.name != "padding":
                        self.values[*place, one.name] = _plain(one.default)
            elif entry.kind in declared:
                for name, value in declared[entry.kind].items():
                    self.values[*place, name] = default_of(value)

    def get(self, place: Place) -> Any:
        """The default of a slot, None where it has none."""
        return self.values.get(place)

    def explicit(self, place: Place, slots: Mapping[Place, Any]) -> Any:
        """The padding that a convolution has where it says none."""
        if place[-1] != "padding":
            return None
        if self.kinds.get(place[:-1]) not in ("conv", "std_conv"):
            return 0
        kernel, dilation = slots.get((*place[:-1], "kernel"), 1), slots.get((*place[:-1], "dilation"), 1)
        sides = [
            d * (k - 1) // 2
            for k, d in zip(_pair(kernel), _pair(dilation), strict=True)
        ]  # fmt: skip
        return sides[0] if sides[0] == sides[1] else sides


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[1]) if isinstance(value, (list, tuple)) else (value, value)


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def _all(entries: Sequence[Entry], before: Place = ()) -> Iterator[tuple[Place, Entry]]:
    for place, entry in enumerate(entries):
        yield (*before, place), entry
        yield from _all(entry.chain or (), (*before, place))

"""The containers of a class, which hold the layers whose names are paths: lists by number, dictionaries by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from archspec.emission.outline import Member
from archspec.syntax.identifiers import containers

Held = Member | Mapping[str, "Held"]
"""A layer, or a container by the names or numbers of what it holds."""


def held_by(root: str, members: Iterable[Member]) -> Mapping[str, Held]:
    """What the container of this name holds, of all the layers of a class."""
    tree: dict[str, Held] = {}
    for member in members:
        if member.call.name.startswith(f"{root}."):
            *outer, last = member.call.name.split(".")[1:]
            here = tree
            for part in outer:
                inner = here.setdefault(part, {})
                assert isinstance(inner, dict)
                here = inner
            here[last] = member
    return tree


def is_list(held: Mapping[str, Held]) -> bool:
    """Whether a container is one by number."""
    return all(part.isdigit() for part in held)


def in_order(held: Mapping[str, Held]) -> list[Held | None]:
    """What a list holds by its places; None at one whose step is no layer."""
    return [held.get(str(place)) for place in range(max(map(int, held)) + 1)]


def leaves(held: Mapping[str, Held]) -> Iterator[Member]:
    """The layers in a container and in those that it holds."""
    for each in held.values():
        if isinstance(each, Member):
            yield each
        else:
            yield from leaves(each)


def renamed(member: Member, name: str) -> Member:
    """A layer under its name in the list that holds it."""
    return replace(member, call=replace(member.call, name=name))


def attribute_of(name: str) -> str:
    """The attribute that a layer is found under, or the outermost container that holds it."""
    return next(iter(containers(name)), name)


def variable_of(name: str) -> str:
    """A path as a variable is called: by its last name, and the numbers behind it."""
    parts = name.split(".")
    last = max((place for place, part in enumerate(parts) if not part.isdigit()), default=0)
    return parts[last] + "_".join(parts[last + 1 :])

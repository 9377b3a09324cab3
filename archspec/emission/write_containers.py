"""The text that makes the containers of a class: what a list holds, equal layers in loops, and what a dictionary does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from archspec.emission.construct import Constructor
from archspec.emission.containers import (
    Held,
    in_order,
    is_list,
    renamed,
)
from archspec.emission.forward import INDENT
from archspec.emission.outline import Member
from archspec.emission.sequences import parts
from archspec.emission.source import bracketed, lay_out, nested
from archspec.ops import Op
from archspec.syntax.expressions import render


class ContainerWriter:
    """Writes containers; `in_place` are the activations that may overwrite their input."""

    def __init__(self, constructor: Constructor, in_place: set[str]) -> None:
        self.constructor = constructor
        self.outline, self.dialect = constructor.outline, constructor.dialect
        self.in_place = in_place

    def container(self, name: str, held: Mapping[str, Held]) -> str:
        """The statement that makes a container."""
        kind = self.dialect.held_type(held)
        return self._held(held, INDENT, f"self.{name}{f': {kind}' if kind else ''} = ")

    def _held(self, held: Mapping[str, Held], indent: int, head: str = "", tail: str = "") -> str:
        """The text that makes a container, between `head` and `tail`."""
        if not is_list(held):
            entries = [self._element(each, indent + 8, f'"{name}": ') for name, each in held.items()]
            return nested(head, (self.dialect.module_dict,), bracketed(entries, indent + 4, "{}"), indent, tail)
        listed = in_order(held)
        items = self._items(listed, indent + 8)
        if len(items) == 1 < len(listed):
            (loop,) = self._items(listed, indent + 4, "[", "]")
            return nested(head, (self.dialect.module_list,), loop, indent, tail)
        return nested(head, (self.dialect.module_list,), bracketed(items, indent + 4), indent, tail)

    def _items(
        self, held: Sequence[Held | None], indent: int, opening: str = "*(", closing: str = "),"
    ) -> list[str]:
        """What a list holds, equal layers and those whose numbers follow from their place in loops."""
        items: list[str] = []
        position = 0
        while position < len(held):
            run = [each for each in takewhile(_is_plain, held[position:]) if isinstance(each, Member)]
            named = [renamed(member, str(place)) for place, member in enumerate(run)]
            part = next(parts(named, self.outline.of), None)
            text = self._element(held[position], indent)
            count = int(part.count) if part is not None else 1
            if part is not None and count == 1:
                texts = (self._element(member, indent) for member in run)
                count = next((place for place, other in enumerate(texts) if other != text), len(run))
                part = replace(part, count=count)
            items.append(
                text if part is None or count == 1 else self.constructor.part(part, indent, opening, closing)
            )
            position += count
        return items

    def _element(self, each: Held | None, indent: int, head: str = "") -> str:
        """What a container holds at one place; it leaves room for a comma."""
        if each is None:
            return f"{head}{self.dialect.identity}"
        if not isinstance(each, Member):
            return self._held(each, indent, head, ",").removesuffix(",")
        if each.when is not None:
            made = self.constructor.construct(each, indent, self.in_place)
            made = f"({made})" if made.startswith("lambda ") else made
            return f"{head}{made} if {render(each.when, {})} else {self.dialect.identity}"
        if isinstance(target := each.call.target, Op):
            text = lay_out(head, self.dialect.attribute(each, target.kind in self.in_place), indent, ",")
        else:
            text = self.constructor.construct(each, indent, self.in_place, head, ",")
        return text.removesuffix(",")


def _is_plain(held: Held | None) -> bool:
    """Whether a place of a list has a layer that is always there."""
    return isinstance(held, Member) and held.when is None

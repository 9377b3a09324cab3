"""What differs between two nets: in structure, module by module with repeats collapsed, and in cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from archspec.cost import Cost
from archspec.ir_text import to_text
from archspec.network import Network


@dataclass(frozen=True, slots=True)
class Difference:
    """What one net has and the other has not, and the counts that differ."""

    lines: tuple[
        str, ...
    ]  # `@` names the places of what follows: `-` of the first net, `+` of the second, `~` changed
    costs: tuple[tuple[str, int, int], ...]

    @property
    def empty(self) -> bool:
        """Whether the nets are the same."""
        return not self.lines and not self.costs


def diff(first: Network, second: Network) -> Difference:
    """Compare two nets; a change that is the same in several places is said once."""
    left, right = (to_text(net).splitlines()[1:] for net in (first, second))
    places: dict[_Change, list[str]] = {}
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            for offset, change in _changes(left[a:b], right[c:d]):
                place, found = _enclosing(left, a + offset), places.setdefault(change, [])
                found += [place] if place not in found else []
    costs = [(f.name, getattr(first.cost, f.name), getattr(second.cost, f.name)) for f in fields(Cost)]
    return Difference(tuple(_lines(places)), tuple((n, x, y) for n, x, y in costs if x != y))


_Change = tuple[str, ...]
"""The lines of one change."""


def _lines(places: Mapping[_Change, list[str]]) -> Iterator[str]:
    """The changes, each below the places where it happens; changes of the same places stand together."""
    together: dict[tuple[str, ...], list[str]] = {}
    for change, found in places.items():
        together.setdefault(tuple(found), []).extend(change)
    for where, lines in together.items():
        if any(where):
            yield f"@ {', '.join(where)}"
        yield from lines


def _changes(gone: Sequence[str], come: Sequence[str]) -> Iterator[tuple[int, _Change]]:
    """What changed between lines that stand in the same place, each with the line where it begins."""
    pairs = [(_Line.of(a), _Line.of(b)) for a, b in zip(gone, come, strict=False)]
    if len(gone) != len(come) or any(a.key != b.key for a, b in pairs):
        yield 0, (*(f"- {line}" for line in gone), *(f"+ {line}" for line in come))
        return
    shapes: dict[str, list[int]] = {}
    for index, (old, new) in enumerate(pairs):
        changed = [f"{k} {v} -> {new.options[k]}" for k, v in old.options.items() if v != new.options[k]]
        if changed:
            yield index, (f"~ {old.name}: {', '.join(changed)}",)
        if old.shape != new.shape:
            shapes.setdefault(f"{old.shape} -> {new.shape}", []).append(index)
    for change, indices in shapes.items():
        yield indices[0], (f"~ {', '.join(pairs[i][0].name for i in indices)}: {change}",)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the textual form, taken apart; lines with equal keys are about the same module."""

    name: str
    options: Mapping[str, str]
    shape: str
    key: tuple[object, ...]

    @classmethod
    def of(cls, line: str) -> _Line:
        text, _, shape = line.strip().removesuffix(" {").rpartition(" : ")
        before, bracket, after = text.partition(" [")
        given, _, after = after.partition("]") if bracket else ("", "", "")
        options = dict(word.split("=", 1) for word in given.split(" ") if word)
        count, times, block = before.partition(" x ")
        if times:
            before, options = block, {"repeat": count, **options}
        name = before.partition(" = ")[0]
        return cls(name, options, shape, (len(line) - len(line.lstrip()), before, after, tuple(options)))


def _enclosing(lines: Sequence[str], index: int) -> str:
    """The names of the blocks around a line."""
    if index >= len(lines):
        return ""
    names: list[str] = []
    depth = len(lines[index]) - len(lines[index].lstrip())
    for line in reversed(lines[:index]):
        own = len(line) - len(line.lstrip())
        if own < depth and line.rstrip().endswith("{"):
            names.append(line.strip().split(" = ")[0].split(" [")[0])
            depth = own
    return " > ".join(reversed(names))

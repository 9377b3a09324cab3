"""What differs between two nets: in structure, module by module with repeats collapsed, and in cost."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from archspec.cost import Cost
from archspec.ir_text import to_text
from archspec.network import Network


@dataclass(frozen=True, slots=True)
class Difference:
    """Lines of the textual form that one net has and the other has not, and the counts that differ."""

    lines: tuple[str, ...]  # each begins with `-` (first net) or `+` (second net); `@` names the place
    costs: tuple[tuple[str, int, int], ...]

    @property
    def empty(self) -> bool:
        """Whether the nets are the same."""
        return not self.lines and not self.costs


def diff(first: Network, second: Network) -> Difference:
    """Compare two nets."""
    left, right = (to_text(net).splitlines()[1:] for net in (first, second))
    lines: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            place = _enclosing(left, a)
            lines += [f"@ {place}"] if place else []
            lines += [f"- {line}" for line in left[a:b]] + [f"+ {line}" for line in right[c:d]]
    costs = [(f.name, getattr(first.cost, f.name), getattr(second.cost, f.name)) for f in fields(Cost)]
    return Difference(tuple(lines), tuple((n, x, y) for n, x, y in costs if x != y))


def _enclosing(lines: list[str], index: int) -> str:
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

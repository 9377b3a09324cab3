"""What differs between two nets: in structure, module by module with repeats collapsed, in cost, and in how they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Any

from archspec.ir import Block, Call, Chain, Run
from archspec.ir.cost import Cost
from archspec.ir.network import Network
from archspec.ir.text import to_text
from archspec.loading.program import recipe_of


@dataclass(frozen=True, slots=True)
class Difference:
    """What one net has and the other has not, the counts that differ, and the values of the recipe that do."""

    lines: tuple[
        str, ...
    ]  # `@` names the places of what follows: `-` of the first net, `+` of the second, `~` changed
    costs: tuple[tuple[str, int, int], ...]
    recipe: tuple[tuple[str, Any, Any], ...]  # by dotted key; None where a net has no such value

    @property
    def empty(self) -> bool:
        """Whether the nets and their recipes are the same."""
        return not self.lines and not self.costs and not self.recipe


def diff(first: Network, second: Network) -> Difference:
    """Compare two nets; a change that is the same in several places is said once."""
    left, right = _told(first, second), _told(second, first)
    places: dict[_Change, list[str]] = {}
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            for offset, change in _changes(left[a:b], right[c:d]):
                place, found = _enclosing(left, a + offset), places.setdefault(change, [])
                found += [place] if place not in found else []
    costs = [(f.name, getattr(first.cost, f.name), getattr(second.cost, f.name)) for f in fields(Cost)]
    recipe = _values(recipe_of(first) or {}, recipe_of(second) or {}, "train.")
    return Difference(tuple(_lines(places)), tuple((n, x, y) for n, x, y in costs if x != y), tuple(recipe))


def _told(net: Network, other: Network) -> list[str]:
    """The lines of the textual form that are compared."""
    lines = to_text(replace(net, root=_present(_opened(net.root, other.root)))).splitlines()
    return [line for before, line in pairwise(lines) if not (before.endswith("{") and " return " in line)]


def _present(block: Block) -> Block:
    """The block without the steps that are left out, whose results are what they were given: no net has these values.

    Nor is said which steps are a shortcut's: where they stand says as much.
    """
    given: dict[str, str] = {}
    calls = []
    for call in block.calls:
        inputs = tuple(given.get(name, name) for name in call.inputs)
        if not call.present:
            given[call.name] = inputs[0]
            continue
        target = call.target
        if isinstance(target, Block):
            target = _present(target)
        elif isinstance(target, Chain):
            target = Chain(tuple(Run(_present(run.block), run.count) for run in target.runs))
        calls.append(replace(call, inputs=inputs, target=target, role="body"))
    outputs = tuple(replace(output, value=given.get(output.value, output.value)) for output in block.outputs)
    return replace(
        block, branch=None, calls=tuple(calls), output=given.get(block.output, block.output), outputs=outputs
    )


def _opened(root: Block, other: Block) -> Block:
    """The net as it is best compared with another, stage by stage of the same name.

    Stages of one length have as many parts, and what is inside of blocks is left out where the blocks are others.
    """
    stages = {c.name: c.target for c in other.calls if isinstance(c.target, Chain)}

    def opened(call: Call) -> Call:
        if not isinstance(call.target, Chain) or call.name not in stages:
            return call
        chain, twin = call.target, stages[call.name]
        if _blocks(chain) != _blocks(twin):
            return replace(call, target=Chain(tuple(Run(replace(r.block, calls=()), r.count) for r in chain.runs)))
        return replace(call, target=_split(chain, _cuts(twin))) if len(chain) == len(twin) else call

    return replace(root, calls=tuple(opened(call) for call in root.calls))


def _blocks(chain: Chain) -> set[str]:
    return {run.block.definition.name for run in chain.runs}


def _split(chain: Chain, cuts: Sequence[int]) -> Chain:
    """The same chain, told in runs that end at these places too."""
    starts = dict(zip([0, *_cuts(chain)], chain.runs, strict=False))
    runs: list[Run] = []
    for begin, end in pairwise(sorted({0, *_cuts(chain), *cuts})):
        block = starts[begin].block if begin in starts else runs[-1].block
        runs.append(Run(block, end - begin))
    return Chain(tuple(runs))


def _cuts(chain: Chain) -> list[int]:
    """Where its runs end."""
    return list(accumulate(run.count for run in chain.runs))


def _values(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys([*first, *second]):
        a, b = first.get(key), second.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _values(a, b, f"{prefix}{key}.")
        elif a != b:
            yield f"{prefix}{key}", a, b


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

"""Blocks of a net whose modules nothing tells: what lies between two places where a single value is left, and is repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from archspec.importing.entries import ACTIVATIONS
from archspec.importing.traced import INPUT, Operation, Scope, Traced

LONGEST = 60
"""Operations of a block."""

WORDS = {"batch_norm": "bn", "linear": "fc"}
"""What layers are called in blocks, with a number behind; others by their operation."""

SHORTCUT = "downsample"


@dataclass(slots=True)
class Part:
    """Operations between two places where a single value is left, and whether they are a block."""

    operations: list[Operation]
    block: bool = False
    shortcut: list[Operation] = field(default_factory=list)

    @property
    def branch(self) -> list[str]:
        """The kinds of operations of the branch that is added."""
        return [op.kind for op in self.operations if op not in self.shortcut and op.kind != "add"]

    @property
    def last(self) -> Operation:
        """The operation that gives its value."""
        return self.operations[-1]


def mined(net: Traced) -> tuple[Traced, Mapping[str, str]]:
    """A net without modules with those that its repeats tell, and the new paths of its layers by the old; as it is if none do."""
    parts = _with_tails(list(_parts(net)))
    parts = _with_unadded(parts)
    if sum(part.block for part in parts) < 2:
        return net, {}
    word = "layer" if not any((op.path or "").startswith("layer") for op in net.operations) else "stage"
    operations, renamed, stage, place = list[Operation](), dict[str, str](), 0, 0
    before: Part | None = None
    for part in parts:
        if not part.block:
            operations += part.operations
            before = None
            continue
        if before is None or tuple(before.last.shape) != tuple(part.last.shape):
            stage, place = stage + 1, 0
        for old, op in zip(part.operations, _placed(part, f"{word}{stage}", place), strict=True):
            operations.append(op)
            if old.stateful and old.path and op.path:
                renamed[old.path] = op.path
        before, place = part, place + 1
    done = replace(net, operations=tuple(operations), children=_children(operations))
    return done, renamed


def _parts(net: Traced) -> Iterator[Part]:
    last = {value: place for place, op in enumerate(net.operations) for value in op.inputs}
    last |= dict.fromkeys(net.outputs.values(), len(net.operations))
    begin, live = 0, {INPUT}
    for place, op in enumerate(net.operations):
        live = {value for value in (*live, op.result) if last.get(value, -1) > place}
        if len(live) < 2:
            operations = list(net.operations[begin : place + 1])
            yield Part(operations, len(operations) in range(2, LONGEST) and op.kind == "add", _shortcut(operations))
            begin = place + 1


def _shortcut(operations: Sequence[Operation]) -> list[Operation]:
    """The layers of the shorter of the two branches that are added, where they follow one another from what the block takes."""
    added = operations[-1]
    if added.kind != "add" or len(added.inputs) != 2 or len(operations) < 2:
        return []
    made = {op.result: op for op in operations}
    found: list[list[Operation]] = []
    for value in added.inputs:
        chain: list[Operation] = []
        while value in made and len(made[value].inputs) == 1:
            chain.insert(0, made[value])
            value = made[value].inputs[0]
        found.append(chain if value not in made else [])
    shorter = min(found, key=len)
    return shorter if shorter and len({*map(len, found)}) == 2 and any(op.stateful for op in shorter) else []


def _with_tails(parts: list[Part]) -> list[Part]:
    """With the activation behind each addition as the end of its block."""
    found: list[Part] = []
    for part in parts:
        tail = len(part.operations) == 1 and part.last.kind in ACTIVATIONS
        if tail and found and found[-1].block and found[-1].last.kind == "add":
            found[-1].operations.append(part.last)
        else:
            found.append(part)
    return found


def _with_unadded(parts: list[Part]) -> list[Part]:
    """With the same layers before a block as a block, too: one whose input is not added, for it has another size."""
    found: list[Part] = []
    for part in parts:
        before, kinds = [*found], part.branch
        tail = before[len(before) - len(kinds) :] if part.block and len(kinds) <= len(before) else []
        same = [one.last.kind for one in tail] == kinds and not any(one.block for one in tail)
        if kinds and tail and same and tuple(tail[-1].last.shape) == tuple(part.last.shape):
            found = before[: len(before) - len(kinds)]
            found.append(Part([one.last for one in tail], True))
        found.append(part)
    return found


def _placed(part: Part, stage: str, place: int) -> Iterator[Operation]:
    """The operations of a block with the calls around them and, where they have tensors, the names of their layers."""
    path = f"{stage}.{place}"
    around = (Scope(stage, stage, "Sequential", True), Scope(path, path, "Block", False))
    beside = f"{path}.{SHORTCUT}"
    met: Counter[str] = Counter()
    for op in part.operations:
        if op in part.shortcut:
            number = part.shortcut.index(op)
            scopes = (*around, Scope(beside, beside, "Sequential", True))
            yield replace(op, path=f"{beside}.{number}", scopes=scopes)
            continue
        word = WORDS.get(op.kind, op.kind)
        met[word] += 1
        yield replace(op, path=f"{path}.{word}{met[word]}" if op.stateful else None, scopes=around)


def _children(operations: Sequence[Operation]) -> dict[str, tuple[str, ...]]:
    """The names in each module."""
    found: dict[str, dict[str, None]] = {}
    for op in operations:
        parts = op.path.split(".") if op.path else []
        for depth, part in enumerate(parts):
            found.setdefault(".".join(parts[:depth]), {}).setdefault(part)
    return {path: tuple(names) for path, names in found.items()}

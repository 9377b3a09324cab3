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


Variant = tuple[Traced, Mapping[str, str]]
"""A net, and the new paths of its layers by the old."""


def variants(net: Traced) -> Iterator[Variant]:
    """A net whose modules nothing tells: with those that its repeats tell, where there are any, then as it is."""
    found, renamed = mined(replace(net, operations=tuple(replace(op, scopes=()) for op in net.operations)))
    if renamed:
        yield found, renamed
    yield net, {}


def mined(net: Traced) -> Variant:
    """A net without modules with those that its repeats tell; as it is if none do."""
    parts = _with_tails(list(_parts(net)))
    parts = _with_heads(_with_unadded(parts))
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
            whole = len(operations) in range(2, LONGEST) and op.kind in ("add", "concat")
            yield Part(operations, whole, _shortcut(operations))
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
        if value not in made:
            found.append(chain)
    shorter = min(found, key=len, default=[])
    several = len(found) == 2 and len(found[0]) == len(found[1])
    return shorter if not several and any(op.stateful for op in shorter) else []


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


def _with_heads(parts: list[Part]) -> list[Part]:
    """With the layers before equal concatenations that stand before all of them as their beginning."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, part in enumerate(parts):
        if part.block and part.last.kind == "concat":
            alike.setdefault(tuple(op.kind for op in part.operations), []).append(place)
    taken: dict[int, int] = {}  # how many parts belong to the one behind them
    for places in alike.values():
        before = [_singles(parts, place) for place in places]
        count = 0
        while (
            len(places) > 1 and all(len(one) > count for one in before) and len({one[count] for one in before}) == 1
        ):
            count += 1
        taken |= dict.fromkeys(places, count)
    found: list[Part] = []
    for place, part in enumerate(parts):
        if count := taken.get(place, 0):
            part.operations = [one.last for one in found[len(found) - count :]] + part.operations
            del found[len(found) - count :]
        found.append(part)
    return found


def _singles(parts: Sequence[Part], place: int) -> list[str]:
    """The kinds of operations before a part, back to the block before."""
    found: list[str] = []
    for part in reversed(parts[:place]):
        if part.block or len(part.operations) > 1:
            break
        found.append(part.last.kind)
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

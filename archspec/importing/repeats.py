"""Repetition as specs say it: equal blocks as `repeat`, unequal ones as a table, numbered names as a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from archspec.importing.arguments import default_of
from archspec.importing.entries import Entry
from archspec.importing.rates import Rate

Declared = Mapping[str, Mapping[str, Any]]
"""The arguments of each block of the spec."""

FEWEST_ROWS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """So many equal steps, one after the other; the first has the stride."""

    entry: Entry
    count: int = 1


def runs(entries: Sequence[Entry], declared: Declared) -> list[Run]:
    """Steps with equal neighbours as one."""
    found: list[Run] = []
    for entry in entries:
        if found and _goes_on(found[-1], entry, declared):
            found[-1] = Run(found[-1].entry, found[-1].count + 1)
        else:
            found.append(Run(entry))
    return found


def _goes_on(run: Run, entry: Entry, declared: Declared) -> bool:
    first = run.entry
    if entry.name is not None or first.name is not None or entry.inputs or entry.kind not in declared:
        return False
    return entry.kind == first.kind and _same_but_stride(first.args, entry.args, declared[entry.kind], run.count)


def _same_but_stride(
    first: Mapping[str, Any], args: Mapping[str, Any], known: Mapping[str, Any], count: int
) -> bool:
    """Whether a block goes on with the arguments of the first, so many before it, which alone may have a stride."""
    others = dict(first)
    if default_of(known.get("stride")) == 1:
        others.pop("stride", None)
    return others.keys() == args.keys() and all(
        value.follows(others[name], count) if isinstance(value, Rate) else value == others[name]
        for name, value in args.items()
    )


def _args(run: Run, by: str = "i", offset: int = 0) -> dict[str, Any]:
    """The arguments of all blocks of a run, where rates grow by expressions in a counter."""
    return {
        name: value.counted(by, offset) if isinstance(value, Rate) and run.count > 1 else value
        for name, value in run.entry.args.items()
    }


def written(entries: Sequence[Entry], declared: Declared) -> list[Any]:
    """A list of steps as a spec has it."""
    found: list[Any] = []
    for is_pattern, some in groupby(_numbered(entries, declared), lambda one: isinstance(one, dict)):
        if is_pattern:
            found += some
            continue
        for (_, tabular), own in groupby(runs([e for e in some if isinstance(e, Entry)], declared), lambda run: (
            run.entry.kind, run.entry.name is None and not run.entry.inputs and run.entry.kind in declared
        )):  # fmt: skip
            lines = list(own)
            if tabular and len(lines) >= FEWEST_ROWS:
                found.append(_table(lines, declared))
            else:
                found += [_run(run, declared) for run in lines]
    return found


def _run(run: Run, declared: Declared) -> Any:
    entry = replace(run.entry, args=_args(run))
    step = entry.written() if entry.chain is None else _chain(entry, declared)
    if run.count == 1:
        return step
    return {**(step if isinstance(step, dict) else {step: {}}), "repeat": run.count}


def _chain(entry: Entry, declared: Declared) -> Any:
    steps = written(entry.chain or (), declared)
    named: Any = {entry.name: steps} if entry.name else steps
    if not entry.inputs:
        return named
    source = entry.inputs[0] if len(entry.inputs) == 1 else list(entry.inputs)
    return {**named, "from": source} if isinstance(named, dict) else {"steps": steps, "from": source}


def _table(own: Sequence[Run], declared: Declared) -> Any:
    kind = own[0].entry.kind
    known = {name: default_of(value) for name, value in declared[kind].items()}
    values = [{**known, **run.entry.args} for run in own]
    grown = {name: values[0][name].counted("index") for name in known if _grows(name, values, own)}
    varying = [
        name for name in known if name not in grown and any(each[name] != values[0][name] for each in values)
    ]
    same = [name for name in known if name not in varying and name not in grown]
    fixed = {name: values[0][name] for name in same if values[0][name] != known[name]} | grown
    repeated = any(run.count > 1 for run in own)
    columns = [*(name for name in varying if name != "stride"), *(["repeat"] if repeated else []),
               *(["stride"] if "stride" in varying else [])]  # fmt: skip
    table = [
        [*(run.count if c == "repeat" else each[c] for c in columns)] for run, each in zip(own, values, strict=True)
    ]
    return {"rows": {"block": {kind: fixed} if fixed else kind, "columns": columns, "table": table}}


def _grows(name: str, values: Sequence[Mapping[str, Any]], own: Sequence[Run]) -> bool:
    """Whether a rate grows by one step from block to block of the whole table."""
    place = 0
    for each, run in zip(values, own, strict=True):
        if not isinstance(each[name], Rate) or (place and not each[name].follows(values[0][name], place)):
            return False
        place += run.count
    return True


def _numbered(entries: Sequence[Entry], declared: Declared) -> Iterator[Entry | dict[str, Any]]:
    """Steps whose names count as one with a pattern."""
    place = 0
    used = {value for entry in entries for value in entry.inputs}
    while place < len(entries):
        entry = entries[place]
        match = re.fullmatch(r"(.*?)(\d+)", entry.name or "")
        count = 1
        while match and place + count < len(entries):
            other = entries[place + count]
            same = entry.kind in declared and _same_but_stride(entry.args, other.args, declared[entry.kind], count)
            alike = replace(other, name=entry.name, shape=entry.shape, args=entry.args) == entry
            if other.name != f"{match[1]}{int(match[2]) + count}" or not (same and alike) or other.inputs:
                break
            count += 1
        inside = {one.name for one in entries[place : place + count - 1]}
        if match and count > 2 and entry.chain is None and not inside & used:
            number = f"i + {match[2]}" if match[2] != "0" else "i"
            args = _args(Run(entry, count))
            if "stride" in args and "stride" not in entries[place + 1].args:
                args["stride"] = f"{args['stride']} if i == 0 else 1"
            yield {f"{match[1]}{{{number}}}": {entry.kind: args} if args else entry.kind, "repeat": count}
        else:
            yield entry
            count = 1
        place += count


def stage(entry: Entry, declared: Declared, before: int = 0) -> dict[str, Any] | None:
    """A chain of equal blocks as a stage, behind so many blocks; None where it is none."""
    if entry.chain is None or entry.name is None or entry.inputs or "." in entry.name:
        return None
    found = runs(entry.chain, declared)
    if len(found) != 1 or found[0].entry.kind not in declared or found[0].entry.name is not None:
        return None
    one = found[0]
    args = _args(one, "index", before)
    stride = {"stride": args.pop("stride")} if "stride" in args else {}
    return {"name": entry.name, "block": one.entry.kind, "repeat": one.count, **args, **stride}

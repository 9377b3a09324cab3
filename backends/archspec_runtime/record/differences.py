"""What differs between the identities of two runs, or of a run and what it is asked to go on with, in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from archspec_runtime.recipe.changes import changes
from archspec_runtime.recipe.recipe import Recipe
from archspec_runtime.record.identity import Identity, same_trainer

Part = Literal["net", "source", "classes", "images", "recipe"]
TRAINER = "train.py is another than the run's"
SHOWN = 5  # classes of each sort that are named
MOST_LINES = 12  # of two sources that are shown


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that two identities do not have in common, and what each has."""

    part: Part
    lines: tuple[str, ...]


def differences(before: Identity, now: Identity, texts: tuple[str, str] | None = None) -> list[Difference]:
    """All parts in which two identities differ; `texts` are those of `model.py` before and now, where both are known."""
    found: list[tuple[Part, list[str]]] = [
        ("net", list(_net(before, now))),
        ("source", [*_source(before, now, texts), *_trainer(before, now)]),
        ("classes", list(class_changes(before["classes"], now["classes"]))),
        ("images", list(_images(before, now))),
        ("recipe", changes(before["recipe"], Recipe.from_dict(now["recipe"]))),
    ]
    return [Difference(part, tuple(lines)) for part, lines in found if lines]


def told(found: Sequence[Difference]) -> list[str]:
    """Differences as the lines of a message."""
    return [line for one in found for line in one.lines]


def class_changes(before: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    """What class names were and what they are: renamed, added, removed, or in another order."""
    if list(before) == list(now):
        return
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    if gone:
        yield f"classes: {named(gone)} before, and no longer"
    if new:
        yield f"classes: {named(new)} now, and not before"
    if not gone and not new:
        yield f"classes: in another order, {named(before)} before, {named(now)} now"


def named(names: Sequence[str]) -> str:
    """Some names in a row, so quoted that they stay on one line."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def _net(before: Identity, now: Identity) -> Iterator[str]:
    old, new = before["net"], now["net"]
    if old["fingerprint"] != new["fingerprint"]:
        same = old["name"] == new["name"]
        yield f"net: {new['name']} is another net" if same else f"net: {old['name']} before, {new['name']} now"


def _source(before: Identity, now: Identity, texts: tuple[str, str] | None) -> Iterator[str]:
    if before["source"]["sha256"] != now["source"]["sha256"]:
        old, new = texts or (None, None)
        yield from source_changes(old, new, ("model.py is another than the run's", "before", "now"))


def _trainer(before: Identity, now: Identity) -> Iterator[str]:
    """Unless the code of both is archspec's, maybe of two versions, and follows from recipes, which are compared as such."""
    if not same_trainer(before, now):
        yield TRAINER


def source_changes(before: str | None, now: str | None, said: tuple[str, str, str]) -> Iterator[str]:
    """The lines in which two texts of `model.py` differ, below what is `said` of it and of each; alone where one is not known."""
    what, old, new = said
    if before is None or now is None:
        yield what
        return
    hunks = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0)
    lines = [line.expandtabs() for line in hunks if not line.startswith(("---", "+++", "@@"))]
    yield f"{what} (- {old}, + {new}):"
    yield from (f"  {line}" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"  and {len(lines) - MOST_LINES:,} more lines"


def _images(before: Identity, now: Identity) -> Iterator[str]:
    if before["data"]["dataset"] != now["data"]["dataset"]:
        yield f"images: of {before['data']['dataset']} before, of {now['data']['dataset']} now"
        return
    old, new = before["data"]["splits"], now["data"]["splits"]
    for split in dict.fromkeys([*old, *new]):
        yield from split_changes(split, old.get(split), new.get(split), before["classes"], now["classes"])


def split_changes(
    split: str, before: Mapping[str, Any] | None, now: Mapping[str, Any] | None, names_before: Sequence[str],
    names_now: Sequence[str],
) -> Iterator[str]:  # fmt: skip
    """What the listing of a split was and what it is: how many images, of which classes, or of other names."""
    if before is None or now is None:
        has = before or now or {}
        yield f"{split} images: {has.get('images', 0):,} {'before, and none now' if now is None else 'now, and none before'}"
        return
    if before["sha256"] == now["sha256"]:
        return
    had = dict(zip(names_before, before["of_classes"], strict=False))
    has = dict(zip(names_now, now["of_classes"], strict=False))
    changed = [n for n in dict.fromkeys([*had, *has]) if had.get(n, 0) != has.get(n, 0)]
    if not changed:
        yield f"{split} images: as many as before, {now['images']:,}, and others: names or labels have changed"
        return
    counts = [f"{name!r} {had.get(name, 0):,} before, {has.get(name, 0):,} now" for name in changed]
    more = f"; and {len(counts) - SHOWN:,} more classes" if len(counts) > SHOWN else ""
    yield f"{split} images: {before['images']:,} before, {now['images']:,} now: {'; '.join(counts[:SHOWN])}{more}"


def measured_apart(runs: Mapping[str, Identity | None]) -> list[str]:
    """A line where runs were not measured on the same test images, whose errors are then of other things."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, identity in runs.items():
        if identity is not None and (test := identity["data"]["splits"].get("test")) is not None:
            group = identity["data"]["dataset"], test["sha256"]
            found.setdefault(group, []).append(f"{name} ({test['images']:,})")
    if len(found) < 2:
        return []
    datasets = {dataset for dataset, _ in found}
    groups = [
        (f"{dataset}: " if len(datasets) > 1 else "") + "; ".join(names[:SHOWN])
        for (dataset, _), names in found.items()
    ]
    of = f" of {next(iter(datasets))}" if len(datasets) == 1 else ""
    return [f"not measured on the same test images{of}: {' | '.join(groups)}"]

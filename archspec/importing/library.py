"""Blocks of the library in place of declarations that say the same."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

import archspec.blocks
from archspec.compile import look
from archspec.importing.arguments import default_of
from archspec.importing.text import to_text
from archspec.ops import OPS


def with_library(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with each of its blocks taken from the library, where that has one of the same arguments and operations."""
    own: list[tuple[object, ...]] | None = None  # the same whichever of its blocks are the library's
    for name, block in list(spec.get("blocks", {}).items()):
        for other, theirs in _library().items():
            if not _fits(block, theirs):
                continue
            own = own or _operations(spec)
            if own is None:
                return spec
            changed = _taken(spec, name, other, block.get("args", {}), theirs.get("args", {}))
            variants = _variants(changed, other, theirs, block)
            same = next((one for one in variants if _operations(one) == own), None)
            if same is not None:
                spec = same
                break
    return spec


def _variants(
    spec: dict[str, Any], other: str, theirs: Mapping[str, Any], block: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The spec as it is, then with one of the block's flags set in all its uses, as with the stride in the first 1x1."""
    yield spec
    for name, value in theirs.get("args", {}).items():
        if value is False and name not in block.get("args", {}) and "stride" in name:
            yield _with_default(spec, other, name)


def _with_default(spec: Mapping[str, Any], block: str, name: str) -> dict[str, Any]:
    """The spec with a default for all uses of a block, before its steps."""
    found: dict[str, Any] = {}
    for key, value in {"defaults": {}, **spec}.items() if "defaults" not in spec else spec.items():
        if key in ("stem", "stages", "head") and "defaults" not in found:
            found["defaults"] = {block: {name: True}}
        if key != "defaults":
            found[key] = value
        elif value:
            found[key] = {**value, block: {name: True}}
    return found


@lru_cache(maxsize=1)
def _library() -> dict[str, Mapping[str, Any]]:
    """The declarations of the library's blocks."""
    folder = Path(archspec.blocks.__file__).parent
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {
        path.stem: yaml.load(path.read_text(encoding="utf-8"), loader) for path in sorted(folder.glob("*.yaml"))
    }


def _fits(block: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    own, known = block.get("args", {}), theirs.get("args", {})
    required = {name for name, value in known.items() if default_of(value) is None}
    steps = [len(one.get("body", one.get("chain", ()))) for one in (block, theirs)]
    return (
        own.keys() <= known.keys()
        and required <= own.keys()
        and abs(steps[0] - steps[1]) <= 3
        and _layers(block.get("body", ())) <= _keys(theirs)
    )


def _layers(steps: Sequence[Any]) -> set[str]:
    """The names of the steps of a body that have parameters, as far as that is seen without looking at other blocks."""
    named = ((name, value) for step in steps if isinstance(step, Mapping) for name, value in step.items())
    kinds = ((name, next(iter(value), "") if isinstance(value, Mapping) else value) for name, value in named)
    return {name for name, kind in kinds if isinstance(kind, str) and kind in OPS and OPS[kind].is_layer}


def _keys(value: Any) -> set[str]:
    """All keys of a declaration, among them the names of its steps."""
    if isinstance(value, Mapping):
        return {str(key) for key in value}.union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def _taken(
    spec: Mapping[str, Any], name: str, other: str, own: Mapping[str, Any], theirs: Mapping[str, Any]
) -> dict[str, Any]:
    """The spec with one of its blocks replaced by another, in all uses."""
    changed = copy.deepcopy(dict(spec))
    del changed["blocks"][name]

    def args(given: Mapping[str, Any]) -> dict[str, Any]:
        values = {key: default_of(value) for key, value in own.items()} | dict(given)
        kept = {k: v for k, v in values.items() if k not in own or v != default_of(theirs[k])}
        return {k: v for k, v in kept.items() if v is not None}

    def step(value: Any) -> Any:
        if isinstance(value, list):
            return [step(each) for each in value]
        if value == name:
            given = args({})
            return {other: given} if given else other
        if not isinstance(value, dict):
            return value
        if value.get("block") == name and "name" in value:  # a stage
            extra = {k: v for k, v in value.items() if k not in own and k != "block"}
            return {
                "name": extra.pop("name"),
                "block": other,
                **extra,
                **args({k: v for k, v in value.items() if k in own}),
            }
        if "rows" in value:
            return _rows(value, name, other, args, own)
        if isinstance(value.get(name), dict):
            given = args(value[name])
            return {(other if k == name else k): (given if k == name else v) for k, v in value.items()}
        return {k: step(v) if k not in ("from", "repeat") else v for k, v in value.items()}

    for part in ("stem", "stages", "head"):
        if part in changed:
            changed[part] = step(changed[part])
    for block in changed["blocks"].values():
        for part in ("body", "chain", "after"):
            if part in block:
                block[part] = step(block[part])
    if not changed["blocks"]:
        del changed["blocks"]
    return changed


def _rows(value: Mapping[str, Any], name: str, other: str, args: Any, own: Mapping[str, Any]) -> Any:
    rows = dict(value["rows"])
    block = rows["block"]
    if block == name or (isinstance(block, dict) and name in block):
        given = args(block[name] if isinstance(block, dict) else {})
        given = {k: v for k, v in given.items() if k not in rows["columns"]}
        rows["block"] = {other: given} if given else other
    return {**value, "rows": rows}


def _operations(spec: Mapping[str, Any]) -> list[tuple[object, ...]] | None:
    """The operations of a spec in their order, with the names of their tensors; None where it is no spec."""
    net, found = look(to_text(spec))
    if net is None or any(one.is_error for one in found):
        return None
    return [
        (row.op, row.target.identity, row.input_shapes, row.name if row.parameters else "") for row in net.modules()
    ]

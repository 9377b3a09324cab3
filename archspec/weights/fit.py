"""Whether weights fit a net: the names, shapes and types of a file against those that the spec gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from archspec.backends import Weights
from archspec.diagnostics import nearest
from archspec.errors import WeightsError
from archspec.ops import Shape
from archspec.weights.dtypes import is_float
from archspec.weights.renaming import Renaming, rename

SHOWN = 20
OTHER = "give the spec of the net that these weights are of; `archspec convert` renames tensors with --map OLD=NEW"
Fault = tuple[str, str, str]
"""What is wrong, with which tensor, and how."""

COUNTER = ".num_batches_tracked"
"""Of batch normalizations: files from before PyTorch 0.4.1 have none, among them many that are still handed out."""


def fit(path: Path, given: Weights, expected: Mapping[str, Shape]) -> tuple[Weights, list[str]]:
    """The weights in the net's order, and what was filled in.

    Raises WeightsError that lists what a file lacks, has too much, or has in another shape or type.
    """
    counters = [name for name in expected if name.endswith(COUNTER) and name not in given]
    whole = {**given, **{name: np.zeros((), np.int64) for name in counters}}
    faults = list(_faults(whole, expected))
    if faults:
        shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
        help_ = suggestion(shapes, expected) or OTHER
        raise WeightsError(f"{path} does not fit the net:", help_, rows=_table(faults))
    notes = [f"it has no counters of batches, {len(counters)} of which begin at 0"] if counters else []
    ordered = {name: whole[name].astype(np.int64) if name.endswith(COUNTER) else whole[name] for name in expected}
    return ordered, notes


def _table(faults: Sequence[Fault]) -> Iterator[str]:
    """The faults, or the first of each kind, one below the other."""
    kinds = {what: [fault for fault in faults if fault[0] == what] for what in dict.fromkeys(f[0] for f in faults)}
    most = len(faults) if len(faults) <= SHOWN else SHOWN // len(kinds)
    shown = [fault for kind in kinds.values() for fault in kind[:most]]
    width = [max(len(fault[column]) for fault in shown) for column in (0, 1)]
    for what, kind in kinds.items():
        for _, name, rest in kind[:most]:
            yield f"{what:{width[0]}}  {name:{width[1]}}  {rest}".rstrip()
        if len(kind) > most:
            yield f"{what:{width[0]}}  and {len(kind) - most:,} more"


def _faults(given: Weights, expected: Mapping[str, Shape]) -> Iterator[Fault]:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    for name in missing:
        yield "missing", name, str(expected[name])
    for name in unexpected:
        near = nearest(name, missing)
        yield "unexpected", name, f"{tuple(given[name].shape)}" + (f"  did you mean `{near}`?" if near else "")
    for name, tensor in given.items():
        if name not in expected:
            continue
        if tuple(tensor.shape) != expected[name]:
            yield "shape", name, f"{tuple(tensor.shape)} in the file, {expected[name]} in the net"
        if is_float(tensor) == name.endswith(COUNTER):
            wanted = "a whole number" if name.endswith(COUNTER) else "a floating-point number"
            yield "type", name, f"{tensor.dtype} in the file, {wanted} in the net"


def suggestion(given: Mapping[str, Shape], expected: Mapping[str, Shape]) -> str | None:
    """The `--map` options under which everything would fit: a prefix that all names share, a module of another name."""
    renamings: list[Renaming] = []
    if prefix := _shared_prefix([*given]):
        renamings.append(Renaming(prefix, ""))
    try:
        shapes = _renamed(given, renamings)
        olds = {_module(name) for name in shapes.keys() - expected.keys()}
        news = {_module(name) for name in _required(expected) - shapes.keys()}
        if len(olds) == len(news) == 1:
            renamings.append(Renaming(olds.pop(), news.pop()))
            shapes = _renamed(given, renamings)
    except WeightsError:  # it would give one name to two
        return None
    fits = _required(expected) <= shapes.keys() and all(expected.get(name) == s for name, s in shapes.items())
    return f"it would fit with {' '.join(f'--map {r}' for r in renamings)}" if fits and renamings else None


def _required(expected: Mapping[str, Shape]) -> set[str]:
    return {name for name in expected if not name.endswith(COUNTER)}


def _renamed(shapes: Mapping[str, Shape], renamings: list[Renaming]) -> dict[str, Shape]:
    return {new: shapes[old] for old, new in rename(shapes, renamings).items()}


def _module(name: str) -> str:
    """The module of a tensor, as a pattern says it."""
    return name[: name.rindex(".") + 1] if "." in name else name


def _shared_prefix(names: list[str]) -> str:
    """What all names begin with, up to a dot: `module.`, `_orig_mod.`, or both."""
    first, last = min(names, default=""), max(names, default="")
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind(".", 0, same) + 1]

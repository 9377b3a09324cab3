"""Whether weights fit a net: the names, shapes and types of a file against those that the spec gives."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from archspec.backends import Weights
from archspec.backends.stored import Array, Tensors
from archspec.diagnostics.spelling import nearest
from archspec.errors import WeightsError
from archspec.ops import Shape
from archspec.weights.advice import COUNTER, advice
from archspec.weights.dtypes import is_float

SHOWN = 20
LONGEST = 120  # characters of a name
NO_COUNTER = (
    "it counts the batches of training, and no net's output depends on it: save it as a whole number, or leave it out, "
    "and it begins at 0"
)
Fault = tuple[str, str, str]
"""What is wrong, with which tensor, and how."""


def fit(
    path: Path, given: Tensors, expected: Mapping[str, Shape], whole_numbers: Collection[str]
) -> tuple[Weights, list[str]]:
    """The weights in the net's order, and what was filled in. Their numbers are read once shapes and types are right.

    Those named in `whole_numbers` are no fractions.

    Raises WeightsError that lists what a file lacks, has too much, or has in another shape or type.
    """
    counters = [name for name in expected if name.endswith(COUNTER) and name not in given]
    whole: Tensors = {**given, **{name: np.zeros((), np.int64) for name in counters}}
    faults = list(_faults(whole, expected, whole_numbers))
    if faults:
        shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
        raise WeightsError(f"{path} does not fit the net:", advice(shapes, expected), rows=_table(faults))
    notes = [f"it has no counters of batches, {len(counters)} of which begin at 0"] if counters else []
    ordered = {name: np.asarray(whole[name]) for name in expected}
    if lied := next((name for name in expected if ordered[name].shape != expected[name]), None):
        raise WeightsError(
            f"{path} is damaged: `{lied}` has the shape {ordered[lied].shape}, and the file says another"
        )
    odd = 0
    for name in expected:
        if name in whole_numbers and not name.endswith(COUNTER):
            ordered[name] = ordered[name].astype(np.int64)
        if name.endswith(COUNTER):
            ordered[name], sound = _counter(path, name, ordered[name])
            odd += not sound
    if odd:
        notes.append(f"{odd} counters of batches became infinite in their type, and begin at 0")
    return ordered, notes


def _counter(path: Path, name: str, tensor: Array) -> tuple[Array, bool]:
    """A counter of batches as a whole number, also where `model.half()` made it another; infinite ones begin anew."""
    if not is_float(tensor):
        return tensor.astype(np.int64), True
    number = float(tensor)
    if math.isinf(number) or math.isnan(number):
        return np.zeros((), np.int64), False
    if number != round(number):
        raise WeightsError(f"{path}: `{name}` is {number:g}, and counters of batches are whole numbers", NO_COUNTER)
    return np.asarray(round(number), np.int64), True


def _table(faults: Sequence[Fault]) -> Iterator[str]:
    """The faults, or the first of each kind, one below the other."""
    kinds = {what: [fault for fault in faults if fault[0] == what] for what in dict.fromkeys(f[0] for f in faults)}
    most = len(faults) if len(faults) <= SHOWN else SHOWN // len(kinds)
    shown = [fault for kind in kinds.values() for fault in kind[:most]]
    width = [max(len(_shown(fault[column])) for fault in shown) for column in (0, 1)]
    for what, kind in kinds.items():
        for _, name, rest in kind[:most]:
            yield f"{what:{width[0]}}  {_shown(name):{width[1]}}  {rest}".rstrip()
        if len(kind) > most:
            yield f"{what:{width[0]}}  and {len(kind) - most:,} more"


def _shown(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}...{name[-LONGEST // 2 :]}"


def _faults(given: Tensors, expected: Mapping[str, Shape], whole_numbers: Collection[str]) -> Iterator[Fault]:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    for name in missing:
        yield "missing", name, str(expected[name])
    for name in unexpected:
        shape = tuple(given[name].shape)
        near = nearest(name, [other for other in missing if expected[other] == shape])
        yield "unexpected", name, f"{shape}" + (f"  did you mean `{near}`?" if near else "")
    for name, tensor in given.items():
        if name not in expected:
            continue
        if tuple(tensor.shape) != expected[name]:
            yield "shape", name, f"{tuple(tensor.shape)} in the file, {expected[name]} in the net"
        if name.endswith(COUNTER):
            continue
        if is_float(tensor) and name in whole_numbers:
            yield "type", name, f"{tensor.dtype} in the file, whole numbers in the net"
        if not is_float(tensor) and name not in whole_numbers:
            yield "type", name, f"{tensor.dtype} in the file, a floating-point number in the net"

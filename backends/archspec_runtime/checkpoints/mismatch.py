"""What differs between the net whose checkpoint a run has and the one that it is asked to train on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from archspec_runtime.checkpoints.store import Shapes
from archspec_runtime.errors import CheckpointError, OtherNetError

SHOWN = 3  # tensors of each sort that are named


def explained(error: OtherNetError, name: str, now: Shapes) -> CheckpointError:
    """The same error with what the net of the checkpoint has and the net called `name` has not, and the other way round."""
    before = _read(error.path)
    told = [_called(error.path, name), *differences(before, now)] if before else []
    return CheckpointError(error.message, error.hint, rows=filter(None, told))


def differences(before: Shapes, now: Shapes, places: tuple[str, str] = ("before", "now")) -> Iterator[str]:
    """A line for the sizes of two nets, and one for each way in which their tensors differ; `places` is where each is."""
    then, here = places
    same = "the tensors have the same names and shapes: what is done with them differs"
    yield same if before == now else f"{_size(before)} {then}, {_size(now)} {here}"
    for place, ours, theirs in ((then, before, now), (here, now, before)):
        if names := [name for name in ours if name not in theirs]:
            yield f"only {place}: " + _listed([f"{name} {_show(ours[name])}" for name in names])
    if names := [name for name in now if now[name] != before.get(name, now[name])]:
        shapes = [f"{name} {_show(before[name])} {then}, {_show(now[name])} {here}" for name in names]
        yield "of another shape: " + _listed(shapes)


def _read(checkpoint: Path) -> Shapes:
    """The shapes of the weights in a checkpoint; none where they cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint / "weights.safetensors", framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError):
        return {}


def _called(checkpoint: Path, now: str) -> str | None:
    try:
        before = json.loads((checkpoint / "loop.json").read_text(encoding="utf-8"))["job"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if before == now else f"it is of {before}, and this is {now}"


def _size(shapes: Shapes) -> str:
    return f"{sum(math.prod(shape) for shape in shapes.values()):,} numbers in {len(shapes):,} tensors"


def _show(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"


def _listed(items: list[str]) -> str:
    more = f"; and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more

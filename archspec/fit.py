"""Whether weights fit a net: the names and shapes of a file against those of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archspec.errors import WeightsError
from archspec.ops import Shape

SHOWN = 20


def check_fit(path: Path, given: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    """Raise WeightsError that lists what a file lacks, has too much or has in another shape."""
    faults = [f"missing: {name} {shape}" for name, shape in expected.items() if name not in given]
    faults += [f"unexpected: {name} {shape}" for name, shape in given.items() if name not in expected]
    faults += [
        f"shape of {name}: {shape}, expected {expected[name]}"
        for name, shape in given.items()
        if name in expected and shape != expected[name]
    ]
    if faults:
        listed = "\n  ".join(faults[:SHOWN])
        more = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise WeightsError(f"{path} does not fit the model:\n  {listed}{more}")


def unreadable(path: Path, error: Exception) -> WeightsError:
    """What to raise where a file is no weights."""
    return WeightsError(f"cannot read weights from {path}: {error}; give a safetensors file")

"""Beginning a run with weights that are there already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from archspec_runtime.checkpoints.mismatch import differences
from archspec_runtime.errors import RunError

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Stepper

NUMBERS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""How the floating-point types of a safetensors file are read; one that is not here is not looked at."""
SHOWN = 3  # tensors that are named
LONGEST = 100_000_000  # bytes of a safetensors file's header, as its format says


def start_from(stepper: Stepper, weights: Path, fresh: Sequence[str]) -> None:
    """Begin with the weights of a safetensors file. Raises RunError where they are not those of the net, but for `fresh`."""
    expected = dict(stepper.tensors())
    for module in fresh:
        if not any(is_below(name, [module]) for name in expected):
            raise RunError(
                f"--fresh {module}: the net has no module of this name", "`archspec summary` lists them", 2
            )
    wanted = {name: shape for name, shape in expected.items() if not is_below(name, fresh)}
    try:
        with safe_open(weights, framework="np") as file:
            given = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"cannot read {weights}: {error}", "give a safetensors file; archspec convert writes one"
        ) from None
    given = {name: shape for name, shape in given.items() if not is_below(name, fresh)}
    if given != wanted:
        told = differences(given, wanted, ("in the file", "in the net"))
        raise RunError(
            f"{weights} does not fit the net:", "--fresh MODULE leaves out a module, such as the head", rows=told
        )
    if faults := [f"{name} {fault}" for name in wanted if (fault := _fault(weights, name))]:
        more = [f"and {len(faults) - SHOWN:,} more tensors"] if len(faults) > SHOWN else []
        raise RunError(
            f"{weights} cannot be trained on:",
            "give weights of a run that went well; --fresh MODULE leaves out a module",
            rows=[*faults[:SHOWN], *more],
        )
    stepper.start_from(weights, wanted.keys())


def _fault(weights: Path, name: str) -> str | None:
    """What is wrong with the numbers of a tensor: training on them ends in a loss that is not finite."""
    with open(weights, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(length))[name]
        if about["dtype"] not in NUMBERS:
            return None
        begin, end = about["data_offsets"]
        file.seek(8 + length + begin)
        numbers = np.frombuffer(file.read(end - begin), NUMBERS[about["dtype"]])
    if about["dtype"] == "BF16":  # the upper half of a float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    if odd := int((~np.isfinite(numbers)).sum()):
        return f"has {odd:,} of {numbers.size:,} numbers that are not finite"
    if name.endswith("running_var") and (odd := int((numbers < 0).sum())):
        return f"has {odd:,} of {numbers.size:,} variances that are negative"
    return None


def of_a_run(weights: Path) -> bool:
    """Whether a safetensors file says that its weights are of a run."""
    try:
        with safe_open(weights, framework="np") as file:
            return "archspec" in (file.metadata() or {})
    except (OSError, SafetensorError):  # said where it is read
        return False


def is_below(name: str, modules: Iterable[str]) -> bool:
    """Whether a tensor is one of these modules', or of a module inside of them."""
    return any(name.startswith(f"{module}.") for module in modules)


def digest(weights: Path) -> str:
    """What tells files of weights apart: of safetensors the tensors, since the order of their metadata is not settled.

    Raises RunError where there is no file.
    """
    try:
        with open(weights, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            with suppress(ValueError, RecursionError):  # it is of another kind, and read as it is
                header = json.loads(file.read(min(length, LONGEST)))
                if isinstance(header, dict) and header.pop("__metadata__", None) is not None:
                    tensors = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
                    while chunk := file.read(1 << 20):
                        tensors.update(chunk)
                    return tensors.hexdigest()
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"cannot read {weights}: {error.strerror}", "check --weights", 2) from None

"""What the files of a checkpoint hold: read, or said which of them does not hold what it should.

Checksums tell what a disk has damaged. What is read here may also have been edited, or written by something else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from archspec_runtime.errors import DamagedError, UnfitError
from archspec_runtime.parts import extra

T = TypeVar("T")

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor of a net, by the spec's names."""

SETS = {"average": "the EMA weights, which are evaluated", "weights": "the weights of the last step"}
"""The sets of weights that a checkpoint may have, the one that is evaluated first."""

JUNK: tuple[type[Exception], ...] = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What reading raises of a file that is of another kind, and taking apart what it holds."""


@contextmanager
def reading(file: Path, *more: type[Exception]) -> Iterator[None]:
    """Say which file of a checkpoint it is that cannot be read, or does not hold what it should. Raises DamagedError.

    `more` is what else its reader raises.
    """
    try:
        yield
    except FileNotFoundError:
        raise damaged(file.parent, f"{file} is missing") from None
    except (*JUNK, *more) as error:
        why = next(iter(str(error).splitlines()), "")[:200]
        message = f"{file} does not hold what it should ({type(error).__name__}: {why})"
        raise damaged(file.parent, message) from None


def damaged(checkpoint: Path, message: str) -> DamagedError:
    """The error that says so of a checkpoint, and how to go on without it."""
    return DamagedError(message, _without(checkpoint))


def tensors(file: Path, load: Callable[[Path], Mapping[str, T]]) -> Mapping[str, T]:
    """The tensors of a safetensors file, by the reader of a framework. Raises DamagedError."""
    from safetensors import SafetensorError

    with reading(file, SafetensorError):
        return load(file)


def fit(file: Path, given: Shapes, own: Shapes, owner: str = "net") -> None:
    """Raise UnfitError where the tensors of a file do not have the names and shapes of the net's, or of its optimizer's."""
    if given != own:
        other = extra("archspec_runtime.checkpoints.other_net")
        places = "in the file", f"in the {owner}"
        rows = (
            ["its tensors have other names or shapes"] if other is None else other.differences(given, own, places)
        )
        raise unfit(file, owner, rows)


def unfit(file: Path, owner: str, told: Iterable[str]) -> UnfitError:
    """The error that says in some lines why a file is not for the net, or for its optimizer."""
    changed = "if the recipe's `optimizer` was changed, leave it as it was; else "
    help_ = ("" if owner == "net" else changed) + _without(file.parent)
    return UnfitError(f"{file} does not fit the {owner}:", help_, rows=told)


def loop_state(checkpoint: Path) -> dict[str, Any]:
    """The state of the loop, which has its `step` and its `job`. Raises DamagedError."""
    file = checkpoint / "loop.json"
    with reading(file):
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if checkpoint.name != f"step-{state['step']:08d}":
            raise ValueError(f"it is of step {state['step']}")
        if not isinstance(state["job"]["recipe"], dict):
            raise TypeError("its recipe is none")
    return state


def check(file: Path) -> None:
    """Raise DamagedError unless the beginning of a safetensors file, and the whole of a JSON file, can be read."""
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        with reading(file, SafetensorError), safe_open(file, framework="np"):
            pass
    elif file.suffix == ".json":
        with reading(file):
            json.loads(file.read_text(encoding="utf-8"))


def _without(checkpoint: Path) -> str:
    older = [path for path in checkpoint.parent.glob("step-*") if path.name < checkpoint.name]
    if not older:
        return "there is none before it to take: train anew, with another --out or with --force"
    return f"move {checkpoint} away: the one before, {max(older).name}, is then resumed from and measured"

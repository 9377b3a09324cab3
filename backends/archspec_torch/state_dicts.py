"""The state_dict in a file of PyTorch's: where it is among other things, and what of it are weights."""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from archspec.backends.stored import Array, Stored
from archspec.errors import WeightsError
from archspec.weights.file_kinds import DAMAGE

from .reading import OtherKindError, read
from .unpickling import DTYPES, Claimed, CodeError, DamagedError, Made, mapping

KEYS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
"""Where training scripts put a state_dict among other things, in the order in which one is taken."""


def read_state_dict(path: Path, key: str | None) -> tuple[dict[str, Array | Stored], list[str]]:
    """All tensors of a state_dict, and where it was found. Raises WeightsError."""
    loaded, stored = _loaded(path)
    found, notes = _chosen(path, loaded, key)
    if "n_averaged" in found and all(name.startswith("module.") for name in found if name != "n_averaged"):
        notes.append("they are of an `AveragedModel`, whose `module.` was taken away")
        found = {name.removeprefix("module."): t for name, t in found.items() if name != "n_averaged"}
    for name, tensor in found.items():
        if not isinstance(tensor, Claimed | Made):
            raise WeightsError(f"{path} holds no state_dict: `{name}` is {_a(tensor)} and no tensor",
                               _other_keys(found) or "save `model.state_dict()`")  # fmt: skip
        if isinstance(tensor, Made) or tensor.kind not in DTYPES:
            what = tensor.of.name.removeprefix("_rebuild_") if isinstance(tensor, Made) else f"torch.{tensor.kind}"
            raise WeightsError(f"{path}: `{name}` is sparse or quantized, or its type is none of weights: {what}",
                               "save dense tensors of floating-point numbers")  # fmt: skip
    try:
        return {name: _careful(path, stored(tensor)) for name, tensor in found.items()}, notes
    except DamagedError as error:
        raise _damaged(path, error) from None


def _loaded(path: Path) -> tuple[Mapping[str, Any], Callable[[Claimed], Stored]]:
    try:
        loaded, stored = read(path)
    except CodeError as error:
        raise WeightsError(f"{path} holds code (`{error}`), which is not run",
                           "where you trust it, load it yourself and save `model.state_dict()`") from None  # fmt: skip
    except OtherKindError as error:
        raise WeightsError(
            f"{path} is {error}", "load it with `torch.jit.load` and save its `state_dict()`"
        ) from None
    except (DamagedError, zipfile.LargeZipFile, *DAMAGE) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a place before the file's beginning
            raise
        raise _damaged(path, error) from None
    if (named := mapping(loaded)) is None:
        raise WeightsError(f"{path} holds {_a(loaded)} and no state_dict", "save `model.state_dict()`")
    return named, stored


def _careful(path: Path, tensor: Stored) -> Stored:
    def load() -> Array:
        try:
            return tensor.load()
        except DamagedError as error:
            raise _damaged(path, error) from None

    return replace(tensor, load=load)


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"cannot read weights from {path}: it is damaged or no PyTorch file ({error})", "get it anew"
    )


def _chosen(path: Path, loaded: Mapping[str, Any], key: str | None) -> tuple[dict[str, Any], list[str]]:
    """The state_dict: the whole, or one entry of it."""
    entries = [name for name, value in loaded.items() if value and mapping(value) is not None]
    if key is not None:
        if key not in entries:
            raise WeightsError(f"{path} has no weights under `{key}`", _other_keys(loaded) or "leave --key out")
        return dict(loaded[key]), []
    usual = [name for name in KEYS if name in entries]
    if not usual:
        return dict(loaded), []
    others = f"; --key chooses among {', '.join(f'`{name}`' for name in usual)}" if len(usual) > 1 else ""
    return dict(loaded[usual[0]]), [f"found under `{usual[0]}`{others}"]


def _other_keys(loaded: Mapping[str, Any]) -> str | None:
    entries = [name for name, value in loaded.items() if value and mapping(value) is not None]
    return f"--key takes {', '.join(f'`{name}`' for name in entries)}" if entries else None


def _a(value: object) -> str:
    if isinstance(value, Claimed):
        return "a tensor"
    if isinstance(value, Made):
        return f"a value of type {value.of}"
    return f"a value of type {type(value).__name__}"

"""Weights in PyTorch's own files: a `state_dict`, whose names and layouts are the spec's."""

from __future__ import annotations

import argparse
import io
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor, nn

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec_torch.damage import DAMAGE, reason

KEYS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
"""Where training scripts put a state_dict among other things, in the order in which one is taken."""

NUMBERS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32)


def load_weights(model: nn.Module, weights: Weights) -> None:
    """Set all parameters and buffers of a model from tensors that fit it."""
    model.load_state_dict({name: to_torch(array) for name, array in weights.items()})


def to_torch(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor with the numbers of an array, to the last bit."""
    whole = np.require(array, requirements=["C", "W"])
    if array.dtype == ml_dtypes.bfloat16:  # which NumPy does not have itself: carried over as integers
        return torch.from_numpy(whole.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(whole)


def to_numpy(tensor: Tensor) -> np.ndarray[Any, Any]:
    """An array with the numbers of a tensor, to the last bit."""
    dense = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return dense.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return dense.numpy()


def read_state_dict(path: Path, key: str | None) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
    """All tensors of a state_dict, and where it was found. Raises WeightsError."""
    found, notes = _chosen(path, _loaded(path), key)
    if "n_averaged" in found and all(name.startswith("module.") for name in found if name != "n_averaged"):
        notes.append("they are of an `AveragedModel`, whose `module.` was taken away")
        found = {name.removeprefix("module."): t for name, t in found.items() if name != "n_averaged"}
    for name, tensor in found.items():
        if not isinstance(tensor, Tensor):
            raise WeightsError(f"{path} holds no state_dict: `{name}` is {_a(tensor)} and no tensor",
                               _other_keys(found) or "save `model.state_dict()`")  # fmt: skip
        if tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in NUMBERS:
            raise WeightsError(f"{path}: `{name}` is sparse, or its {tensor.dtype} is no type of weights",
                               "save dense tensors of floating-point numbers")  # fmt: skip
    return {name: to_numpy(tensor) for name, tensor in found.items()}, notes


def write_state_dict(path: Path, weights: Weights) -> None:
    """A state_dict that `model.load_state_dict(torch.load(path))` takes. Raises OSError."""
    whole = io.BytesIO()  # by way of bytes: a full disk is then an OSError
    torch.save({name: to_torch(array) for name, array in weights.items()}, whole)
    path.write_bytes(whole.getbuffer())


def _loaded(path: Path) -> Mapping[str, Any]:
    try:
        # the options of training scripts are kept beside weights as an `argparse.Namespace`, which is data
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings(action="ignore"):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if code := re.search(r"(?:GLOBAL|global) (\S+)", str(error)):
            raise WeightsError(f"{path} holds code (`{code[1]}`), which is not run",
                               "where you trust it, load it yourself and save `model.state_dict()`") from None  # fmt: skip
        raise _damaged(path, error) from None
    except DAMAGE as error:
        raise _damaged(path, error) from None
    if not isinstance(loaded, Mapping) or not all(isinstance(name, str) for name in loaded):
        raise WeightsError(f"{path} holds {_a(loaded)} and no state_dict", "save `model.state_dict()`")
    return loaded


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"cannot read weights from {path}: it is damaged or no PyTorch file ({reason(error)})", "get it anew"
    )


def _chosen(path: Path, loaded: Mapping[str, Any], key: str | None) -> tuple[dict[str, Any], list[str]]:
    """The state_dict: the whole, or one entry of it."""
    entries = [name for name, value in loaded.items() if isinstance(value, Mapping) and value]
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
    entries = [name for name, value in loaded.items() if isinstance(value, Mapping) and value]
    return f"--key takes {', '.join(f'`{name}`' for name in entries)}" if entries else None


def _a(value: object) -> str:
    return f"a value of type {type(value).__name__}"

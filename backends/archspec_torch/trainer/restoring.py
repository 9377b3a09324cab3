"""The files of a snapshot, read back into a model and its optimizer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from archspec_runtime.checkpoints.contents import damaged, fit, reading, tensors, unfit
from archspec_torch.damage import DAMAGE, check_stored, reason

from . import parallel
from .lamb import Lamb

MOMENTS = {"step", "exp_avg", "exp_avg_sq"}
KEPT: Mapping[type[torch.optim.Optimizer], set[str]] = {
    torch.optim.SGD: {"momentum_buffer"}, torch.optim.AdamW: MOMENTS, Lamb: MOMENTS,
}  # fmt: skip
"""What an optimizer keeps of each parameter, from its first step on."""


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, whole."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def load_model(model: nn.Module, file: Path) -> None:
    """Set all parameters and buffers from a safetensors file. Raises DamagedError; then nothing is set."""
    state = tensors(file, load_file)
    fit(file, shapes(state), shapes(model.state_dict()))
    parallel.load_whole(model, state)


def load_optimizer(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, file: Path) -> None:
    """Set the state of an optimizer and of the loss scale from a file of PyTorch. Raises DamagedError.

    It is read to the host: PyTorch moves what belongs beside the parameters, and leaves the counters of an optimizer that is not
    fused where asking for them makes no device wait.
    """
    with reading(file, *DAMAGE):
        state = _loaded(file)
        _check(file, state["optimizer"], optimizer)
        optimizer.load_state_dict(parallel.split_states(state["optimizer"], optimizer))
        scaler.load_state_dict(state["scaler"])


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        check_stored(file)
        with warnings.catch_warnings(action="ignore"):
            state: Mapping[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise damaged(file.parent, f"{file} is no file of PyTorch's, or damaged ({reason(error)})") from None
    return state


def _check(file: Path, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Raise UnfitError for the state of another optimizer, ValueError where a tensor has not the shape of its parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kind = next(kind for kind in KEPT if isinstance(optimizer, kind))
    wanted = KEPT[kind]
    for index, kept in state["state"].items():
        if kept and kept.keys() != wanted:
            has, takes = (", ".join(sorted(names)) for names in (kept.keys(), wanted))
            raise unfit(file, "optimizer", [f"it keeps {has} of a parameter, and {kind.__name__} {takes}"])
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape not in (parameters[index].shape, torch.Size([])):
                raise ValueError(f"{name} of parameter {index} has the shape {tuple(value.shape)}")

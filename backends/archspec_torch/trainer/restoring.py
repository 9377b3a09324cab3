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
        kept = _regrouped(file, state["optimizer"], optimizer)
        _check(file, kept, optimizer)
        optimizer.load_state_dict(parallel.split_states(kept, optimizer))
        scaler.load_state_dict(state["scaler"])


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        check_stored(file)
        with warnings.catch_warnings(action="ignore"):
            state: Mapping[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise damaged(file.parent, f"{file} is no file of PyTorch's, or damaged ({reason(error)})") from None
    return state


def _regrouped(file: Path, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> Mapping[str, Any]:
    """The state by the groups that the optimizer has: earlier versions had matrices in one and vectors in another, always.

    Raises UnfitError where it is of other groups.
    """
    own = [[*group["params"]] for group in optimizer.param_groups]
    sizes = [len(group["params"]) for group in state["param_groups"]]
    if sizes == [len(params) for params in own]:
        return state
    every = [p for params in own for p in params]
    earlier = [[p for p in every if p.ndim > 1], [p for p in every if p.ndim <= 1]]
    if len(own) > 1 or sizes != [len(params) for params in earlier if params]:
        has, takes = (" and ".join(map(str, counts)) for counts in (sizes, map(len, own)))
        raise unfit(file, "optimizer", [f"its groups are of {has} parameters, and those of train.py of {takes}"])
    places = {id(p): place for place, p in enumerate(every)}
    order = [places[id(p)] for params in earlier for p in params]
    kept = {order[index]: entry for index, entry in state["state"].items()}
    return {**state, "state": kept, "param_groups": [{**state["param_groups"][0], "params": [*range(len(every))]}]}


def _check(file: Path, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Raise UnfitError for the state of another optimizer, ValueError where a tensor has not the shape of its parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kind = next((kind for kind in KEPT if isinstance(optimizer, kind)), None)
    if kind is None:  # of which it is the optimizer's to say
        return
    wanted = KEPT[kind]
    for index, kept in state["state"].items():
        if kept and kept.keys() != wanted:
            has, takes = (", ".join(sorted(names)) for names in (kept.keys(), wanted))
            raise unfit(file, "optimizer", [f"it keeps {has} of a parameter, and {kind.__name__} {takes}"])
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape not in (parameters[index].shape, torch.Size([])):
                raise ValueError(f"{name} of parameter {index} has the shape {tuple(value.shape)}")

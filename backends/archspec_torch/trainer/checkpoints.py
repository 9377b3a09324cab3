"""The state of a run as it was at a step, apart from the run; the files that it becomes, and what is read of them."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.checkpoints.store import damaged, fit, reading, tensors, unfit
from archspec_runtime.parts import extra

DAMAGE = (pickle.UnpicklingError, struct.error, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
          AssertionError, OverflowError, NotImplementedError, zipfile.BadZipFile)  # fmt: skip


def check_stored(file: Path) -> None:
    """Raise BadZipFile where a file of `torch.save` has a record that is compressed, which it never is, and may inflate."""
    size = file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        for record in archive.infolist():
            if record.compress_type != zipfile.ZIP_STORED or record.file_size > size:
                raise zipfile.BadZipFile(f"its record {record.filename[-80:]} is compressed")


def reason(error: BaseException) -> str:
    """What is wrong with the file, in a line; without PyTorch's advice on how to run what is in it."""
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    return next(iter(text.splitlines()), type(error).__name__)[:200]


if TYPE_CHECKING:  # they take most of a second to import, and are for runs that split their parameters
    from torch.distributed.tensor import DTensor


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, whole."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def is_split(value: object) -> TypeGuard[DTensor]:
    """Whether the parts of a tensor lie on many processes."""
    return hasattr(value, "full_tensor")


def whole(value: Any) -> Any:
    """A tensor whose parts lie on many processes, put together on each; all of them must ask."""
    return value.full_tensor() if is_split(value) else value


def local(value: Tensor) -> Tensor:
    """Of a tensor whose parts lie on many processes, that of this one."""
    return value.to_local() if is_split(value) else value


def like(value: Tensor, other: Tensor) -> Tensor:
    """A whole tensor, split or laid out in memory as another one of its shape is, which fused optimizers rely on."""
    if value.shape != other.shape:
        return value
    if is_split(other):
        from torch.distributed.tensor import distribute_tensor

        value = value.to(other.device).contiguous()  # as the parts of parameters are
        return distribute_tensor(value, other.device_mesh, other.placements, src_data_rank=None)
    return torch.empty_like(other, dtype=value.dtype, requires_grad=False).copy_(value)


def split_states(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimizer, which was put together, split as its parameters are."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    split = {
        index: {k: like(v, parameters[index]) if isinstance(v, Tensor) else v for k, v in entry.items()}
        for index, entry in state["state"].items()
    }
    # what the recipe says is as it is now, and how an optimizer computes is its own: fused where nothing is split
    groups = [
        {**own, "params": saved["params"]}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    return {**state, "state": split, "param_groups": groups}


def load_whole(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load whole tensors into a model, split where it is split; what there is none for stays."""
    mine = model.state_dict()
    model.load_state_dict({**mine, **{name: like(tensor, mine[name]) for name, tensor in state.items()}})


@dataclass(frozen=True, slots=True)
class TorchSnapshot:
    """Copies in the host's memory; the runtime's `Snapshot`."""

    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor] | None
    optimizer: Mapping[str, Any]
    scaler: Mapping[str, Any]
    normalization: Normalization

    def finite(self) -> bool:
        """Whether every number of the weights is finite."""
        return all(bool(tensor.isfinite().all()) for tensor in self.weights.values())

    def files(self) -> dict[str, bytes]:
        """`weights.safetensors` by the spec's names, `state.pt` with the optimizer, and what else there is."""
        states = {"weights": self.weights, "normalization": self._constants()}
        if self.average is not None:
            states["average"] = self.average
        rest = io.BytesIO()
        torch.save({"optimizer": self.optimizer, "scaler": self.scaler}, rest)
        return {
            **{f"{name}.safetensors": serialize(contiguous(state)) for name, state in states.items()},
            "state.pt": rest.getvalue(),
        }

    def _constants(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array) for name, array in self.normalization.to_arrays().items()}


def on_host(tree: Any) -> Any:
    """Copies of all tensors of a tree in the host's memory, laid out as they were, and whole where they were split."""

    def copy(value: Any) -> Any:
        return whole(value).detach().to("cpu", copy=True) if isinstance(value, Tensor) else value

    return tree_map(copy, tree)


def contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors wants them: in the order of their indices."""
    return {name: tensor.contiguous() for name, tensor in state.items()}


KEPT: Mapping[type[torch.optim.Optimizer], set[str]] = {
    torch.optim.SGD: {"momentum_buffer"}, torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
}  # fmt: skip
"""What PyTorch's optimizers keep of each parameter, from its first step on; one of another library says it as `kept`."""


def load_model(model: nn.Module, file: Path) -> None:
    """Set all parameters and buffers from a safetensors file. Raises DamagedError; then nothing is set."""
    state = tensors(file, load_file)
    fit(file, shapes(state), shapes(model.state_dict()))
    load_whole(model, state)


def load_optimizer(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, file: Path) -> None:
    """Set the state of an optimizer and of the loss scale from a file of PyTorch. Raises DamagedError.

    It is read to the host: PyTorch moves what belongs beside the parameters, and leaves the counters of an optimizer that is not
    fused where asking for them makes no device wait.
    """
    with reading(file, *DAMAGE):
        state = _loaded(file)
        kept = _by_groups(file, state["optimizer"], optimizer)
        _check(file, kept, optimizer)
        optimizer.load_state_dict(split_states(kept, optimizer))
        scaler.load_state_dict(state["scaler"])


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        check_stored(file)
        with warnings.catch_warnings(action="ignore"):
            state: Mapping[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise damaged(file.parent, f"{file} is no file of PyTorch's, or damaged ({reason(error)})") from None
    return state


def _by_groups(file: Path, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> Mapping[str, Any]:
    """The state, which is of as many parameters in each group as the optimizer has. Raises UnfitError."""
    own = [len(group["params"]) for group in optimizer.param_groups]
    sizes = [len(group["params"]) for group in state["param_groups"]]
    if sizes == own:
        return state
    earlier = extra("archspec_torch.trainer.earlier")
    if earlier is not None and (found := earlier.regrouped(state, optimizer)) is not None:
        regrouped: Mapping[str, Any] = found
        return regrouped
    has, takes = (" and ".join(map(str, counts)) for counts in (sizes, own))
    raise unfit(file, "optimizer", [f"its groups are of {has} parameters, and those of train.py of {takes}"])


def _check(file: Path, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Raise UnfitError for the state of another optimizer, ValueError where a tensor has not the shape of its parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kind = next((kind for kind in KEPT if isinstance(optimizer, kind)), type(optimizer))
    wanted = KEPT.get(kind) or getattr(optimizer, "kept", None)
    if wanted is None:
        return
    for index, kept in state["state"].items():
        if kept and kept.keys() != wanted:
            has, takes = (", ".join(sorted(names)) for names in (kept.keys(), wanted))
            raise unfit(file, "optimizer", [f"it keeps {has} of a parameter, and {kind.__name__} {takes}"])
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape not in (parameters[index].shape, torch.Size([])):
                raise ValueError(f"{name} of parameter {index} has the shape {tuple(value.shape)}")

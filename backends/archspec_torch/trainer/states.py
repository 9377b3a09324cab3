"""Models and the tensors of their states: whole, or, of a run that splits its parameters, in parts on many processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor, nn

if TYPE_CHECKING:  # they take most of a second to import, and are for runs that split their parameters
    from torch.distributed.tensor import DTensor


def frozen_norms(model: nn.Module) -> list[nn.Module]:
    """Batch norms of which no parameter is trained: they normalize by their running statistics, and leave them as they are."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [norm for norm in norms if norm.affine and not any(p.requires_grad for p in norm.parameters())]


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

"""One model on many processes: gradients averaged by DDP or parameters split by FSDP2, batch norm over the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:  # they take most of a second to import, and are for runs that split their parameters
    from torch.distributed.tensor import DTensor

Forward = Callable[[Tensor], Tensor]

# Statistics are each process's own until an evaluation; PyTorch 2.13 has given that option another name.
_NEW = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
_UNSYNCED: dict[str, Any] = {"forward_sync_buffers" if _NEW else "broadcast_buffers": False}


def replicate(model: nn.Module, images: Tensor) -> Forward:
    """A copy on every process, whose gradients are averaged; `images` are such as it will be given."""
    kept = [buffer.clone() for buffer in model.buffers()]
    model.train()
    idle = len(list(model.parameters())) > _reached(model(images))  # DDP would wait for the gradients of the others
    alike = DistributedDataParallel(model, find_unused_parameters=idle, **_UNSYNCED)
    # DDP orders the gradients by how they came in the first step, and adds up in that order from the second on. A step
    # before the first makes a resumed run add in the order of one that was not.
    alike(images).sum().backward()
    model.zero_grad(set_to_none=True)
    for buffer, before in zip(model.buffers(), kept, strict=True):
        buffer.copy_(before)
    return alike


def _reached(output: Tensor) -> int:
    """How many parameters an output depends on."""
    seen, left = set(), [output.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [before for before, _ in node.next_functions]
    return sum(hasattr(node, "variable") for node in seen)


def shard(model: nn.Module, mesh: DeviceMesh | None = None) -> None:
    """Split the parameters of each repeated block, and of what is left, over the processes of a mesh, or all."""
    from torch.distributed.fsdp import fully_shard

    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as FSDP2 wants parameters
    for block in repeated_blocks(model):
        if any(True for _ in block.parameters()):
            fully_shard(block, mesh=mesh)
    fully_shard(
        model, mesh=mesh, reshard_after_forward=True
    )  # what an evaluation has put together is split again before a step


def repeated_blocks(module: nn.Module) -> Iterator[nn.Module]:
    """What stands in the stages of a model, sequences of sequences included; not what stands in such a block."""
    for child in module.children():
        if isinstance(module, nn.Sequential) and not isinstance(child, nn.Sequential):
            yield child
        else:
            yield from repeated_blocks(child)


@contextmanager
def gradients_shared(replica: Forward | None, model: nn.Module, *, last: bool) -> Iterator[None]:
    """Within it gradients are added up here alone, and over all processes in the last of the micro-batches of a step."""
    if isinstance(replica, DistributedDataParallel):
        with nullcontext() if last else replica.no_sync():
            yield
        return
    if (gather := getattr(model, "set_requires_gradient_sync", None)) is not None:  # of a model that is split
        gather(last)
    yield


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

        return distribute_tensor(value.to(other.device), other.device_mesh, other.placements, src_data_rank=None)
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


def over_whole_batch(model: nn.Module) -> nn.Module:
    """The model with batch norms that normalize over the batch of all processes; names and buffers are as they were."""
    if any(p.is_cuda for p in model.parameters()):
        made: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return made
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, WholeBatchNorm2d.of(child))
    return model


class WholeBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization over all processes, on any device; PyTorch's `SyncBatchNorm` needs a GPU.

    Each process has as many samples. The running variance gathers the unbiased one of the whole batch.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> WholeBatchNorm2d:
        """The same one, with the parameters and buffers of a batch norm of one process."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        return made.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize images (N, C, H, W)."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        images = input.to(self.running_mean.dtype)  # statistics are not taken in half precision
        mean = average(images.mean((0, 2, 3)))
        centred = images - mean[:, None, None]
        variance = average(centred.square().mean((0, 2, 3)))
        self._track(mean.detach(), variance.detach(), images.numel() // images.shape[1] * dist.get_world_size())
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        result = centred * scale[:, None, None]
        if self.bias is not None:
            result = result + self.bias[:, None, None]
        return result.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)
        self.num_batches_tracked.add_(1)


class Mean(Function):
    """The mean of a tensor over all processes; the gradient is the mean of theirs."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        """Average."""
        return averaged(value)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        """Average the gradients."""
        return averaged(gradients[0])


def average(value: Tensor) -> Tensor:
    """`Mean` as a function."""
    mean: Tensor = Mean.apply(value)  # type: ignore[no-untyped-call]
    return mean


def averaged(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes."""
    total = value.clone()
    dist.all_reduce(total)
    total /= dist.get_world_size()
    return total


def one_before(values: Tensor) -> Tensor:
    """For each of this process's share the one before it in the whole batch, for the first of all the last."""
    ends = [torch.empty_like(values[-1:]) for _ in range(dist.get_world_size())]
    dist.all_gather(ends, values[-1:].contiguous())
    return torch.cat([ends[dist.get_rank() - 1], values[:-1]])


def load_whole(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load whole tensors into a model, split where it is split; what there is none for stays."""
    mine = model.state_dict()
    model.load_state_dict({**mine, **{name: like(tensor, mine[name]) for name, tensor in state.items()}})


def agree(buffers: Iterable[Tensor]) -> None:
    """Take the buffers of the first process."""
    for buffer in buffers:
        dist.broadcast(buffer, 0)

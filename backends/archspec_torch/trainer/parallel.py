"""One model on many processes: gradients averaged by DDP, or parameters split by FSDP2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Options

from .states import frozen_norms

Forward = Callable[[Tensor], Tensor]

# Statistics are each process's own until an evaluation; PyTorch 2.13 has given that option another name.
_NEW = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
_UNSYNCED: dict[str, Any] = {"forward_sync_buffers" if _NEW else "broadcast_buffers": False}


def check_shard(options: Options, device: torch.device) -> None:
    """Raise RunError where this PyTorch splits parameters on GPUs alone."""
    if options.shard and device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
        message = f"PyTorch {torch.__version__} splits parameters on GPUs alone, and this run is on the CPU"
        raise RunError(message, "leave --shard out, or upgrade PyTorch: 2.13 does", 2)


def replicate(model: nn.Module, images: Tensor) -> Forward:
    """A copy on every process, whose gradients are averaged; `images` are such as it will be given."""
    kept = [buffer.clone() for buffer in model.buffers()]
    model.train()
    for norm in frozen_norms(model):
        norm.eval()
    trained = sum(p.requires_grad for p in model.parameters())
    idle = trained > _reached(_summed(model(images)))  # DDP would wait for the gradients of the others
    alike = DistributedDataParallel(model, find_unused_parameters=idle, **_UNSYNCED)
    # DDP orders the gradients by how they came in the first step, and adds up in that order from the second on. A step
    # before the first makes a resumed run add in the order of one that was not.
    _summed(alike(images)).backward()  # type: ignore[no-untyped-call, unused-ignore]
    model.zero_grad(set_to_none=True)
    for buffer, before in zip(model.buffers(), kept, strict=True):
        buffer.copy_(before)
    return alike


def _summed(output: Tensor | Mapping[str, Tensor]) -> Tensor:
    """One number that depends on all that a model gives."""
    if isinstance(output, Tensor):
        return output.sum()
    return torch.stack([one.sum() for one in output.values()]).sum()


def _reached(output: Tensor) -> int:
    """How many parameters an output depends on."""
    seen, left = set(), [output.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [before for before, _ in node.next_functions]
    return sum(hasattr(node, "variable") for node in seen)


PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)  # layers whose weights autocast takes in half precision


def shard(model: nn.Module, mesh: DeviceMesh | None = None, half: torch.dtype | None = None) -> None:
    """Split the parameters of each repeated block, and of what is left, over the processes of a mesh, or all.

    Under autocast to `half`, what it would cast is gathered so: half the bytes for the same numbers. Gradients are added up in
    single precision all the same, and what is computed in single precision is gathered so.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as FSDP2 wants parameters
    split: set[nn.Module] = set()
    halved = MixedPrecisionPolicy(half, torch.float32, cast_forward_inputs=False)
    for block in [*repeated_blocks(model), model]:
        inside = [m for m in block.modules() if m not in split and has_own(m)]
        split.update(inside)
        if not inside:
            continue
        exact = [m for m in inside if not isinstance(m, PRODUCTS)]
        policy = MixedPrecisionPolicy() if half is None or block in exact else halved
        if policy is halved and exact:
            fully_shard(exact, mesh=mesh)  # type: ignore[arg-type, unused-ignore]
        # what an evaluation has put together is split again before a step, that of the outermost too
        fully_shard(block, mesh=mesh, reshard_after_forward=True, mp_policy=policy)


def has_own(module: nn.Module) -> bool:
    """Whether a module has parameters beside those of the modules in it."""
    return any(True for _ in module.parameters(recurse=False))


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


def one_before(values: Tensor) -> Tensor:
    """For each of this process's share the one before it in the whole batch, for the first of all the last."""
    ends = [torch.empty_like(values[-1:]) for _ in range(dist.get_world_size())]
    dist.all_gather(ends, values[-1:].contiguous())
    return torch.cat([ends[dist.get_rank() - 1], values[:-1]])


def agree(buffers: Iterable[Tensor]) -> None:
    """Take the buffers of the first process."""
    for buffer in buffers:
        dist.broadcast(buffer, 0)

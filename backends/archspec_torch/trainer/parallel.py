"""One model on many processes: gradients averaged by DDP, or parameters split by FSDP2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

from archspec_runtime.batches.order import Batch
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Evaluation
from archspec_runtime.job.job import Options

from .batch_norm import over_whole_batch
from .checkpoints import TorchSnapshot, is_split
from .device import HALF
from .split_optimizers import on_parts
from .stepper import TorchStepper, frozen_norms
from .world import mesh_of_all, peers_answer

Forward = Callable[[Tensor], Tensor]

# Statistics are each process's own until an evaluation; PyTorch 2.13 has given that option another name.
_NEW = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
_UNSYNCED: dict[str, Any] = {"forward_sync_buffers" if _NEW else "broadcast_buffers": False}


class ParallelStepper(TorchStepper):
    """A model and its optimizer on the devices of several processes: the same on each, or `sharded`, in parts."""

    def __init__(self, *given: Any, sharded: bool = False, **more: Any) -> None:
        self.sharded = sharded
        super().__init__(*given, **more)

    def whole_batch(self, model: nn.Module) -> nn.Module:
        """The model, whose batch norms normalize over the batch of all processes, unless the recipe leaves each its own."""
        return over_whole_batch(model) if self.job.recipe.sync_batch_norm else model

    def spread(self) -> Forward:
        """What to train with: a replica, or the model in parts."""
        if not self.sharded:
            images = torch.zeros((2, *self.job.input_shape), device=self.device, dtype=self.kind)
            self.replica = replicate(self.model, images)
            return self.replica
        mesh = mesh_of_all(self.device)
        for model in (self.model, *([self.average.model] if self.average is not None else [])):
            shard(model, mesh, HALF.get(self.job.recipe.precision))
        return super().spread()

    def on_parts(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimizer, which takes the steps of this process's parts."""
        split = any(is_split(p) for group in optimizer.param_groups for p in group["params"])
        return on_parts(optimizer) if split else optimizer

    def step(self, batch: Batch, lr: float, number: int, limit: float | None = None) -> None:
        """One forward, backward and update, of which each process has its share."""
        with peers_answer():
            super().step(batch, lr, number, limit)

    def one_before(self, values: Tensor) -> Tensor:
        """For each sample of the whole batch what the one before it has."""
        return one_before(values)

    def gradients_shared(self, *, last: bool) -> AbstractContextManager[None]:
        """Within it gradients are added up in this process alone, and over all processes in the last part of a batch."""
        return gradients_shared(None if self.sharded else self.replica, self.model, last=last)

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split, with the same running statistics in all processes."""
        if not self.job.recipe.sync_batch_norm:
            agree((self.average.model if self.average is not None else self.model).buffers())
        return super().evaluate(split)

    def snapshot(self) -> TorchSnapshot | None:
        """All state, for the process that leads; to put parts together takes all of them."""
        if not self.world.leads and not self.sharded:
            return None
        with peers_answer():
            found = super().snapshot()
        return found if self.world.leads else None


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


def over_all(values: Tensor) -> Tensor:
    """Values, summed over all processes where they are."""
    with peers_answer():
        dist.all_reduce(values)
    return values

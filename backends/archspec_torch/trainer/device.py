"""Which device a run uses, in which precision it computes there, and what is said when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from archspec_runtime.errors import RunError, no_device
from archspec_runtime.parts import extra
from archspec_runtime.processes.world import ALONE, World


def choose_device(name: str, world: World = ALONE) -> torch.device:
    """The device of this name, or for `auto` the best there is; of several GPUs, the one of this process.

    A GPU is always named with its index, as `torch.cuda.set_device` wants it. Where a launcher shows each process one GPU
    alone (SLURM's binding of tasks), that one is number 0, whatever the process's rank. Raises RunError where there is none.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    available = ["cpu"]
    if gpus:
        available += ["cuda", *(f"cuda:{i}" for i in range(gpus))]
    if torch.backends.mps.is_available():
        available.append("mps")
    if name == "auto":
        # gloo, through which processes without CUDA talk, takes no tensors of Apple's devices
        name = "cuda" if gpus else "cpu" if world.size > 1 else available[-1]
    if name == "mps" and name in available and world.size > 1:
        raise RunError("an Apple GPU takes part in no run of several processes", "--device cpu, or no --nproc", 2)
    if name == "cuda" and gpus:
        index = 0 if gpus == 1 and not world.launch else world.local_rank  # torchrun and --nproc bind none
        if index >= gpus:
            raise RunError(
                f"this is process {index} of its machine, counted from 0, and the machine has {gpus} "
                f"GPU{'s' if gpus > 1 else ''}",
                f"--nproc {gpus}, or one process for each GPU that a launcher shows",
                2,
            )
        name = f"cuda:{index}"
    if name not in available:
        raise no_device(name, available)
    return torch.device(name)


def use_device(device: torch.device) -> None:
    """Make a GPU that of this process: what allocates with no device named, such as NCCL, goes there too."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


@contextmanager
def out_of_memory(instead: Callable[[], RunError]) -> Iterator[None]:
    """Say what was too much, instead of how an allocator failed."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise instead() from None
        raise


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an allocator failed: CUDA's raises an error of its own, those of CPUs, Apple's devices and NCCL tell by text."""
    said = ("can't allocate memory", "MPS backend out of memory", "'out of memory'")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in said)


HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def use_precision(precision: str) -> torch.dtype:
    """The type of parameters. GPUs multiply singles as the recipe says: whole, or by name as TF32, which keeps ten bits.

    PyTorch's own defaults differ: TF32 in convolutions, not in linear layers.
    """
    multiplied = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cudnn.allow_tf32 = (
        precision == "tf32"
    )  # the older flag, which torch.export reads, and must agree
    if hasattr(torch.backends.cudnn, "conv"):  # since PyTorch 2.9
        torch.backends.cudnn.conv.fp32_precision = multiplied
        torch.backends.cuda.matmul.fp32_precision = multiplied
    else:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return torch.float64 if precision == "fp64" else torch.float32


def check_precision(device: torch.device, precision: str) -> None:
    """Raise RunError for a precision that a device does not compute in."""
    if device.type == "mps" and precision == "fp64":
        raise RunError(
            "the recipe computes in fp64, and Apple's devices have no such numbers", "--device cpu, or fp32", 2
        )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Half precision where the recipe asks for it."""
    half = HALF.get(precision)
    return nullcontext() if half is None else torch.autocast(device.type, half)


COMPILING = "archspec_torch.trainer.compiling"
kernels: Any = extra("archspec_torch.trainer.kernels")


def choose_kernels(*, deterministic: bool, compiled: bool = False) -> None:
    """Set PyTorch's switches, before the first kernel runs: those that are fastest by the clock, or `deterministic` ones."""
    if kernels is None:
        torch.backends.cudnn.benchmark = True
    else:
        kernels.choose_kernels(deterministic=deterministic, compiled=compiled)


def deterministic_kernels() -> AbstractContextManager[None]:
    """Say what PyTorch has no deterministic kernel of, where those are asked for."""
    found: AbstractContextManager[None] = nullcontext() if kernels is None else kernels.deterministic_kernels()
    return found

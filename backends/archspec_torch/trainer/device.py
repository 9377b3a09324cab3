"""Which device a run uses, whether compiling the model pays there, and what is said when its memory runs out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch

from archspec_runtime.errors import RunError, no_device
from archspec_runtime.job.job import Options
from archspec_runtime.processes.world import World

from .kernels import compiles_by_rule

GPU_STEPS = 2_000  # compiling takes a minute or two, and small nets are bound by launching kernels
GPU_STEPS_A_LAYER = 50  # compiling takes a second or two for each convolution
TRITON_SINCE = (7, 0)  # the compute capability of the oldest GPUs that Triton compiles for
ALONE = World()


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


def choose_compile(options: Options, device: torch.device, steps: int, layers: int) -> tuple[bool, str]:
    """Whether to compile the model for this many steps, and why. Depends on job and machine alone, so that a rerun agrees."""
    if options.deterministic and options.compile != "off" and device.type != "cpu" and not compiles_by_rule():
        if options.compile == "on":
            message = f"PyTorch {torch.__version__} chooses what it compiles by the clock, and --deterministic is asked for"
            raise RunError(message, "leave one of --deterministic and `--compile on` out, or take PyTorch 2.10", 2)
        return False, "this PyTorch compiles by the clock"
    if options.compile != "auto":
        return options.compile != "off", "as one CUDA graph" if options.compile == "graph" else "as asked"
    if device.type == "cuda":
        if (lack := _no_triton(device)) is not None:
            return False, lack
        needed = max(GPU_STEPS, GPU_STEPS_A_LAYER * layers)
        return steps >= needed, f"{steps:,} steps, {needed:,} pay back compiling"
    if device.type == "cpu":
        return False, "on CPUs a compiled step is no faster with channels last"
    return False, f"not tried on {device.type}"


def check_graphs(options: Options, device: torch.device) -> None:
    """Raise RunError where CUDA graphs are asked for and can't be recorded."""
    if options.compile != "graph":
        return
    if device.type != "cuda":
        raise RunError(
            f"--compile graph records kernels of CUDA, and the run is on {device.type}",
            "--device cuda, or another --compile",
            2,
        )
    if (lack := _no_triton(device)) is not None:
        raise RunError(f"--compile graph compiles the model, and {lack}", "--compile off", 2)


def check_shard(options: Options, device: torch.device) -> None:
    """Raise RunError where this PyTorch splits parameters on GPUs alone."""
    if options.shard and device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
        message = f"PyTorch {torch.__version__} splits parameters on GPUs alone, and this run is on the CPU"
        raise RunError(message, "leave --shard out, or upgrade PyTorch: 2.13 does", 2)


def _no_triton(device: torch.device) -> str | None:
    """Why Triton, by which PyTorch compiles for GPUs, can't work here; None where it can."""
    if find_spec("triton") is None:
        return "Triton is not installed"
    if torch.version.hip is None and (found := torch.cuda.get_device_capability(device)) < TRITON_SINCE:
        return f"Triton needs a GPU of compute capability 7.0, and this one has {found[0]}.{found[1]}"
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):  # it compiles its launchers in C
        return "Triton needs a C compiler, and there is none"
    return None


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

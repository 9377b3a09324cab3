"""Which device a run uses, whether compiling the model pays there, and what is said when its memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from archspec_runtime.errors import RunError, no_device
from archspec_runtime.job import Options

GPU_STEPS = 2_000  # compiling takes a minute or two, and small nets are bound by launching kernels
GPU_STEPS_A_LAYER = 50  # compiling takes a second or two for each convolution


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of this name, or for `auto` the best there is; of several GPUs, the one of this process.

    Raises RunError where there is none.
    """
    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        available.append("mps")
    if name == "auto":
        name = "cuda" if "cuda" in available else available[-1]
    if name == "cuda" and "cuda" in available and local_rank:
        name = f"cuda:{local_rank}"
    if name not in available:
        raise no_device(name, available)
    return torch.device(name)


def choose_compile(options: Options, device: torch.device, steps: int, layers: int) -> tuple[bool, str]:
    """Whether to compile the model for this many steps, and why. Depends on the job alone, so that a rerun agrees."""
    if options.compile != "auto":
        return options.compile == "on", "as asked"
    if device.type == "cuda":
        needed = max(GPU_STEPS, GPU_STEPS_A_LAYER * layers)
        return steps >= needed, f"{steps:,} steps, {needed:,} pay back compiling"
    if device.type == "cpu":
        return False, "on CPUs a compiled step is no faster with channels last"
    return False, f"not tried on {device.type}"


@contextmanager
def out_of_memory(instead: Callable[[], RunError]) -> Iterator[None]:
    """Say what was too much, instead of how an allocator failed."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise instead() from None
        raise

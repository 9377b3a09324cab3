"""Which device a run uses, and whether compiling the model pays there."""

from __future__ import annotations

import torch

from archspec_runtime.errors import RunError
from archspec_runtime.estimates import CPU_RATE
from archspec_runtime.job import Job, Options

# Measured with ResNet-20 and ResNet-56 at batch 128 on two CPU cores: a compiled step is a third faster than an eager one,
# while compiling takes 2 seconds for each convolution.
CPU_GAIN = 0.3
CPU_SECONDS_A_LAYER = 2.0
GPU_STEPS = 2_000  # compiling takes a minute or two, and small nets are bound by launching kernels


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
        raise RunError(
            f"there is no device {name!r}", f"here are: {', '.join(available)}; see `archspec doctor`", 2
        )
    return torch.device(name)


def choose_compile(job: Job, options: Options, device: torch.device, steps: int, layers: int) -> tuple[bool, str]:
    """Whether to compile the model for this many steps, and why. Depends on the job alone, so that a rerun agrees."""
    if options.compile != "auto":
        return options.compile == "on", "as asked"
    if device.type == "cuda":
        return steps >= GPU_STEPS, f"{steps:,} steps, {GPU_STEPS:,} pay back compiling"
    if device.type != "cpu":
        return False, f"not tried on {device.type}"
    step = 3 * job.macs * job.recipe.batch_size / CPU_RATE
    saved, spent = steps * step * CPU_GAIN, layers * CPU_SECONDS_A_LAYER
    return (
        saved > 1.5 * spent,
        f"{steps:,} steps would save about {saved:,.0f} s, compiling takes about {spent:,.0f} s",
    )

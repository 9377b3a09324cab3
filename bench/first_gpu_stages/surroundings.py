"""What is installed, whether JAX computes, and how long a launch takes."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from .stage import Found, Stage, archspec, settle


def versions(stage: Stage) -> Found:
    """What is installed, what `doctor` says, the device, and whether there is a compiler."""
    names = ("torch", "triton", "jax", "jaxlib", "flax", "numpy")
    found: Found = {"python": sys.version.split()[0], "compiler": shutil.which("cc") or shutil.which("gcc")}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
        found["gpus"] = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split("\n")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        found["doctor_code"] = archspec(["doctor"])
    return {**found, "doctor": said.getvalue().splitlines()}


def launches(stage: Stage) -> Found:
    """How long the host takes for one kernel, which the roofline takes for 4 microseconds."""
    import torch

    count, values = (1_000 if stage.small else 20_000), torch.zeros(1, device=stage.device)
    values.add_(1)
    settle(stage)
    start = time.perf_counter()
    for _ in range(count):
        values.add_(1)
    settle(stage)
    return {"microseconds_a_launch": 1e6 * (time.perf_counter() - start) / count}


def jax_steps(stage: Stage) -> Found:
    """JAX draws parameters and takes steps at all."""
    return {"run": stage.train("jax", "digits_resnet:resnet8", "--steps", stage.steps(40), backend="flax")}

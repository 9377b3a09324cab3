"""Which kernels PyTorch takes: the fastest that it finds by trying, or those that give the same bits in every run."""

from __future__ import annotations

import os
from typing import Any

import torch

from archspec_runtime.errors import RunError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
MIOPEN = ("PYTORCH_MIOPEN_SUGGEST_NHWC", "PYTORCH_MIOPEN_SUGGEST_NHWC_BATCHNORM")


def choose_kernels(*, deterministic: bool) -> None:
    """Set PyTorch's switches, before the first kernel runs.

    cuDNN tries its convolutions on each new shape, of which images and batches have few, and takes the fastest by the clock: in
    another run that may be another. Deterministic kernels add in one order and are chosen by rule; what has none raises.
    """
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.use_deterministic_algorithms(deterministic)
    if deterministic:
        os.environ.setdefault(
            CUBLAS, ":4096:8"
        )  # read when cuBLAS begins; without it its sums are of several streams
        # PyTorch would fill what it allocates, so that reading it by mistake gives the same: nothing here reads it
        torch.utils.deterministic.fill_uninitialized_memory = False
    if (
        torch.version.hip is not None
    ):  # without these MIOpen copies images that lie with channels last to another layout
        for name in MIOPEN:
            os.environ.setdefault(name, "1")


def compiles_deterministically() -> bool:
    """Whether the compiler can be told to choose by rule, not by the clock; then it is told."""
    from torch._inductor import config as inductor

    config: Any = inductor
    if not hasattr(config, "deterministic"):
        return False
    config.deterministic = True
    return True


def without_determinism(error: RuntimeError) -> RunError | None:
    """What is said of an operation that PyTorch has no deterministic kernel of; None for other errors."""
    text = str(error)
    if "does not have a deterministic implementation" not in text:
        return None
    return RunError(
        f"--deterministic: {text.split(' does not', 1)[0]} of PyTorch has no kernel that gives the same bits in every run",
        "train without --deterministic, or with `--device cpu`",
    )

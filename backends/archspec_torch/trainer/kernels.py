"""Which kernels PyTorch takes: the fastest that it finds by trying, or those that give the same bits in every run."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from archspec_runtime.errors import RunError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
MIOPEN = ("PYTORCH_MIOPEN_SUGGEST_NHWC", "PYTORCH_MIOPEN_SUGGEST_NHWC_BATCHNORM")


def choose_kernels(*, deterministic: bool, compiled: bool = False) -> None:
    """Set PyTorch's switches, before the first kernel runs.

    cuDNN tries its convolutions on each new shape, of which images and batches have few, and takes the fastest by the clock: in
    another run that may be another. Deterministic kernels add in one order and are chosen by rule; what has none raises.
    """
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    if torch.are_deterministic_algorithms_enabled() != deterministic:  # to ask for it loads the whole compiler
        torch.use_deterministic_algorithms(deterministic)
    if compiled and compiles_by_rule():
        inductor: Any = importlib.import_module("torch._inductor.config")
        inductor.deterministic = deterministic
    if deterministic:
        os.environ.setdefault(
            CUBLAS, ":4096:8"
        )  # read when cuBLAS begins; without it its sums are of several streams
        # PyTorch would fill what it allocates, so that reading it by mistake gives the same: nothing here reads it
        memory: Any = torch.utils.deterministic
        memory.fill_uninitialized_memory = False
    if (
        torch.version.hip is not None
    ):  # without these MIOpen copies images that lie with channels last to another layout
        for name in MIOPEN:
            os.environ.setdefault(name, "1")


def compiles_by_rule() -> bool:
    """Whether the compiler can choose kernels by rule, where it would try them and take the fastest."""
    from torch._inductor import config as inductor

    return hasattr(inductor, "deterministic")


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Say what PyTorch has no deterministic kernel of, where those are asked for."""
    try:
        yield
    except RuntimeError as error:
        operation, lacks, _ = str(error).partition(" does not have a deterministic implementation")
        if not lacks:
            raise
        message = f"--deterministic: PyTorch's {operation} has no kernel that gives the same bits in every run"
        raise RunError(message, "train without --deterministic, or with `--device cpu`") from None

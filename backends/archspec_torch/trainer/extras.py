"""What not every run has a part in, found where it is asked for: other processes, compiling, deterministic kernels."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from archspec_runtime.frameworks.protocol import MakeModel
from archspec_runtime.job.job import Options
from archspec_runtime.parts import extra, part
from archspec_runtime.processes.world import World

COMPILING = "archspec_torch.trainer.compiling"
SEVERAL = "a run of several processes"
kernels: Any = extra("archspec_torch.trainer.kernels")


def launcher() -> Any:
    """What starts and joins processes."""
    return part("archspec_torch.trainer.world", SEVERAL)


def parallel() -> Any:
    """What has a model share its batches or parameters with other processes."""
    return part("archspec_torch.trainer.parallel", SEVERAL)


def compiler() -> Any:
    """What compiles a model that was settled to be compiled."""
    return part(COMPILING, "compiling")


def choose_compile(make_model: MakeModel, options: Options, device: torch.device, steps: int) -> tuple[bool, str]:
    """Whether to compile the model for this many steps, and why. Raises RunError where what is asked for can't be done."""
    if options.compile in ("auto", "off") and extra(COMPILING) is None:
        return False, "as asked" if options.compile == "off" else "this folder carries no compiling along"
    found: tuple[bool, str] = compiler().settle(make_model, options, device, steps)
    return found


def peers_answer(world: World) -> AbstractContextManager[None]:
    """Say who was waited for in vain, instead of how a socket closed."""
    found: AbstractContextManager[None] = nullcontext() if world.size == 1 else launcher().peers_answer()
    return found


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


def eager() -> AbstractContextManager[Any]:
    """Within it nothing is compiled: evaluation has batches of other sizes, and is not worth it."""
    if "torch._dynamo" not in sys.modules:  # which takes seconds to import, and without which nothing is compiled
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance

"""What is compiled: the whole model, or, of a deep net that repeats its blocks, each kind of block once.

Compiling takes seconds for each layer that it sees. The blocks of ResNet-110 are of five kinds, so that one by one they are
compiled in a tenth of the time, and those of ResNet-1202 in the same. PyTorch's guides call it regional compilation. A step
then does more, as nothing is fused across blocks, so that shallower nets are compiled whole.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

DEEP = 100  # convolutions, beyond which blocks are compiled kind by kind


def compile_model(
    model: nn.Module, forward: Callable[[Tensor], Tensor], deep: int = DEEP, *, graphed: bool = False
) -> Callable[[Tensor], Tensor]:
    """What to train with instead of `forward`, which is the model, or the model with what other processes share.

    A net of more than `deep` convolutions is compiled by its blocks. `graphed`, the kernels of each pass are recorded once, and
    launched as one CUDA graph from then on: for nets whose steps are the host's launches.
    """
    mode = "reduce-overhead" if graphed else None
    blocks = _regions(model, deep)
    if not blocks:
        return torch.compile(
            forward, dynamic=False, mode=mode
        )  # of the few sizes that phases have each is compiled
    # each kind is a variant of what its class compiles to, and those have a limit, which PyTorch 2.6 names otherwise
    config: Any = torch._dynamo.config
    limit = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, limit, max(getattr(config, limit), 2 * len(_kinds(blocks))))
    for block in blocks:
        block.compile(dynamic=False, mode=mode)
    return forward


def compiled_layers(model: nn.Module) -> int:
    """How many convolutions the compiler sees: those of repeated blocks once for each kind."""
    blocks = _regions(model, DEEP)
    if not blocks:
        return _layers([model])
    return _layers(_kinds(blocks).values())


def begin_step() -> None:
    """Let CUDA graphs write over what the step before left: gradients are kept through all micro-batches of one."""
    torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call, unused-ignore]


def eager() -> AbstractContextManager[Any]:
    """Within it nothing is compiled: evaluation has batches of other sizes, and is not worth it."""
    if "torch._dynamo" not in sys.modules:  # which takes seconds to import, and without which nothing is compiled
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def _regions(model: nn.Module, deep: int) -> list[nn.Module]:
    """The blocks of the stages of a deep net; nothing of others."""
    if _layers([model]) <= deep:
        return []
    stages = [m for m in model.children() if isinstance(m, nn.Sequential)]
    blocks = [block for stage in stages for block in stage if any(True for _ in block.children())]
    return blocks if len(blocks) > len(_kinds(blocks)) else []


def _kinds(blocks: list[nn.Module]) -> dict[object, nn.Module]:
    """A block of each kind: of one class, and with parameters of the same shapes."""
    return {(type(b), tuple((k, t.shape) for k, t in b.state_dict().items())): b for b in blocks}


def _layers(modules: Iterable[nn.Module]) -> int:
    return sum(isinstance(m, nn.Conv2d) for module in modules for m in module.modules())

"""Whether compiling a model pays, and what is compiled of it: all, or of a deep net that repeats blocks each kind once.

Compiling takes seconds for each layer that it sees. The blocks of ResNet-110 are of five kinds, so that one by one they are
compiled in a tenth of the time, and those of ResNet-1202 in the same. PyTorch's guides call it regional compilation. A step
then does more, as nothing is fused across blocks, so that shallower nets are compiled whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Options

from .kernels import compiles_by_rule

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import MakeModel

GPU_STEPS = 2_000  # compiling takes a minute or two, and small nets are bound by launching kernels
GPU_STEPS_A_LAYER = 50  # compiling takes a second or two for each convolution
TRITON_SINCE = (7, 0)  # the compute capability of the oldest GPUs that Triton compiles for
DEEP = 100  # convolutions, beyond which blocks are compiled kind by kind


def settle(make_model: MakeModel, options: Options, device: torch.device, steps: int) -> tuple[bool, str]:
    """Whether to compile the model for this many steps, and why. Raises RunError where what is asked for can't be done."""
    check_graphs(options, device)
    return choose_compile(options, device, steps, compiled_layers(make_model()))


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


def _no_triton(device: torch.device) -> str | None:
    """Why Triton, by which PyTorch compiles for GPUs, can't work here; None where it can."""
    if find_spec("triton") is None:
        return "Triton is not installed"
    if torch.version.hip is None and (found := torch.cuda.get_device_capability(device)) < TRITON_SINCE:
        return f"Triton needs a GPU of compute capability 7.0, and this one has {found[0]}.{found[1]}"
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):  # it compiles its launchers in C
        return "Triton needs a C compiler, and there is none"
    return None


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

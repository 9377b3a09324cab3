"""Import of a module: traced, said as a spec, built of that, and proven equal."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from archspec.errors import ModelError
from archspec.importing import Imported, Traced, spec_of
from archspec.importing.spec import problems_of
from archspec.loading.program import Program
from archspec_torch.health import need_torch
from archspec_torch.importing.checks import check_module
from archspec_torch.importing.export import traced
from archspec_torch.importing.failures import first_line
from archspec_torch.importing.proof import Mode, UnequalError, fitting, prove
from archspec_torch.importing.sources import module_of
from archspec_torch.importing.surroundings import surroundings_kept

Build = Callable[[Program], Any]
"""How a net becomes a model."""

MORE = "; --arg KEY=VALUE gives the model its arguments"

MOST = 1 << 26
"""Numbers of an image that models are compared with."""

SIZE = (3, 224, 224)
"""Images that models are tried on where nothing else is said, as ImageNet's nets take them."""


def import_source(
    source: str, arguments: Mapping[str, Any], size: tuple[int, int, int] | None, build: Build
) -> Imported:
    """The model of a source as a spec. Raises ModelError."""
    torch = need_torch()
    with surroundings_kept(), contextlib.redirect_stdout(sys.stderr):
        module, name = module_of(source, arguments)
    size = size or _own_size(module)
    if math.prod(size) > MOST:
        raise ModelError(f"images of {'x'.join(map(str, size))} are too large to compare answers on",
                         "import it at a usual size; --set input.size=SIZE changes that of its spec")  # fmt: skip
    example = torch.zeros(2, *size)
    return import_module(module, example, build, name=name, source=source)


def check_source(
    source: str, arguments: Mapping[str, Any], size: tuple[int, int, int] | None, net: Program, build: Build
) -> list[str]:
    """What of a source's model was compared with a net. Raises ModelError where they differ."""
    torch = need_torch()
    if size is not None and size != tuple(net.input_shape):
        raise ModelError(f"{net.name} takes images {'x'.join(map(str, net.input_shape))}, and --input says another size",
                         "leave --input out, or change the spec with --set input.size=...")  # fmt: skip
    with surroundings_kept(), torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(sys.stderr):
        with surroundings_kept():
            module, name = module_of(source, arguments)
        example = torch.zeros(2, *net.input_shape)
        check_module(module, example)
        renamed: Mapping[str, str] = {}
        if module.state_dict().keys() != net.tensor_shapes().keys():
            with contextlib.suppress(ModelError):  # what has no spec may still be one, by the names that are there
                renamed = traced(module, example, name=name).renamed
        try:
            return prove(module, build(net), net, example, renamed)
        except UnequalError as error:
            why = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the model's own code raises
            why = f"{type(error).__name__}: {first_line(error)}"
    raise ModelError(f"{source} is not the net of the spec {net.name}: {why}", "change the model or the spec; what the model is "
                     f"as a spec, `archspec import {source}` says{MORE}")  # fmt: skip


def import_module(
    module: Any, example: Any, build: Build, *, name: str | None = None, source: str = ""
) -> Imported:
    """A module as a spec, by an example of the images that it takes. Raises ModelError."""
    torch = need_torch()
    name = name or type(module).__name__.lower()
    if getattr(example, "ndim", 0) == 4 and len(example) < 2:
        example = torch.cat([example, example])
    with (
        surroundings_kept(),
        torch.random.fork_rng(devices=[]),
        contextlib.redirect_stdout(sys.stderr),
    ):  # what the model itself prints
        return proven(module, traced(module, example, name=name, source=source), example, build)


def proven(module: Any, net: Traced, example: Any, build: Build, mode: Mode = Mode.BOTH) -> Imported:
    """The first spec of a traced model that is proven equal to it. Raises ModelError."""
    name, why, in_spec = net.name, "", {old: new for new, old in net.renamed.items()}
    for text, program in spec_of(net):
        try:
            fitting(module.state_dict(), _named(program), in_spec)  # before it is built
            report = prove(module, build(program), program, example, net.renamed, mode)
        except UnequalError as error:
            why = str(error)
            continue
        except ModelError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the model's own code raises
            why = f"{type(error).__name__}: {first_line(error)}"
            continue
        tensors = fitting(module.state_dict(), _named(program), in_spec)
        weights = {key: _array(tensor) for key, tensor in tensors.items()}
        return Imported(text, program, weights, tuple(report), module, net.renamed)
    if why:
        raise ModelError(f"the spec of {name} is not proven equal, and not written: {why}", "look for what no "
                         "graph shows: state that forward changes, gradients of its own; or write the spec by hand")  # fmt: skip
    raise ModelError(f"{name} has no spec: {problems_of(net)}", "a spec of it has to be written by hand")


def _array(tensor: Any) -> Any:
    """The numbers of a tensor; NumPy has bfloat16 by way of another package."""
    torch = need_torch()
    own = tensor.detach().cpu().contiguous()
    if own.dtype != torch.bfloat16:
        return own.numpy()
    import ml_dtypes

    return own.view(torch.int16).numpy().view(ml_dtypes.bfloat16)


def _named(program: Program) -> dict[str, Any]:
    """The tensors of a net by name, without memory for their numbers."""
    torch = need_torch()
    return {name: torch.empty(shape, device="meta") for name, shape in program.tensor_shapes().items()}


def _own_size(module: Any) -> tuple[int, int, int]:
    """The size that a model says of itself, as timm's do, or the usual one."""
    for config in (getattr(module, "default_cfg", None), getattr(module, "pretrained_cfg", None)):
        size = config.get("input_size") if isinstance(config, dict) else None
        if isinstance(size, (tuple, list)) and len(size) == 3:
            return int(size[0]), int(size[1]), int(size[2])
    return SIZE

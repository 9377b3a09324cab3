"""What is looked at before a module is traced: hooks, parametrizations and the like, of which a graph says nothing."""

from __future__ import annotations

import inspect
from typing import Any

from archspec.errors import ModelError

REMOVERS = {
    "WeightNorm": "remove_weight_norm",
    "SpectralNorm": "remove_spectral_norm",
    "BasePruningMethod": "prune.remove",
}
"""What removes hooks of PyTorch's own, by their classes."""


def check_module(module: Any, example: Any) -> None:
    """Raise ModelError for a module that is no model of images, or does more than its graph would show."""
    import torch
    from torch import nn

    if not isinstance(module, nn.Module):
        raise ModelError(
            f"the model is a {type(module).__name__}, and no torch.nn.Module", "give the module itself"
        )
    if "_modules" not in vars(module):
        raise ModelError(
            f"{type(module).__name__} is not initialized as a module",
            "call super().__init__() first in its __init__",
        )
    if getattr(example, "ndim", 0) != 4:
        raise ModelError("the example is no batch of images (N, C, H, W)", "such as torch.zeros(2, 3, 224, 224)")
    if hasattr(module, "_orig_mod"):
        raise ModelError("the model is compiled", "give the module that torch.compile was given")
    for path, one in module.named_modules():
        if isinstance(one, torch.jit.ScriptModule):
            raise ModelError(
                f"{f'`{path}`' if path else 'the model'} is scripted or traced, and has no Python module to read",
                "give the module that it was made of",
            )
    _check_forward(module, example)
    for path, one in module.named_modules():
        if isinstance(one, nn.modules.lazy.LazyModuleMixin):
            raise ModelError(f"`{path}` is lazy: its sizes are not known before it has seen a batch",
                             "run the model on a batch where it is made, or give it the sizes")  # fmt: skip
        if (hooks := _hooks(one)) is not None:
            raise ModelError(f"{f'`{path}`' if path else 'the model'} has hooks, which run code that no graph shows",
                             f"remove them first{hooks}")  # fmt: skip
        if "parametrizations" in one._modules or hasattr(one, "weight_g"):
            raise ModelError(f"`{path}` has a parametrization, of which a spec says nothing", "remove it, as with "
                             "torch.nn.utils.parametrize.remove_parametrizations")  # fmt: skip
        if "quantized" in type(one).__module__:
            raise ModelError(f"`{path}` is quantized", "import the model before it is quantized")
    check_names(module)
    names: dict[int, str] = {}
    for path, tensor in module.named_parameters(remove_duplicate=False):
        if tensor.is_complex():
            raise ModelError(f"`{path}` has complex numbers", "archspec has nets of real numbers")
        if tensor.device.type != "cpu":
            raise ModelError(
                f"`{path}` is on {tensor.device}, and images are on the CPU",
                "call .cpu() on the model where it is made; one on meta has no numbers to move: make it on the CPU",
            )
        if tensor.dtype != torch.float32:
            raise ModelError(f"`{path}` has numbers of {str(tensor.dtype).removeprefix('torch.')}, and images have float32",
                             "call .float() on the model where it is made; the spec is the same")  # fmt: skip
        if tensor._backward_hooks or getattr(tensor, "_post_accumulate_grad_hooks", None):
            raise ModelError(
                f"`{path}` has hooks, which change its gradient as no graph shows", "remove them first"
            )
        if not tensor.requires_grad:
            raise ModelError(f"`{path}` is frozen: its requires_grad is False", "call requires_grad_(True) on it; "
                             f"`train: {{freeze: [{path}]}}` in the spec leaves it untrained")  # fmt: skip
        if id(tensor) in names:
            raise ModelError(
                f"`{path}` and `{names[id(tensor)]}` are one parameter",
                "no spec has two names for one tensor: call one module twice, which `share` says, or give each its own",
            )
        names[id(tensor)] = path


def check_names(module: Any) -> None:
    """Raise ModelError where the modules of a model have names that no steps of a net have."""
    if any(name.isdecimal() for name, _ in module.named_children()):
        raise ModelError("the modules of the model have numbers for names, as in a sequence, which steps of a net have not",
                         "make it a part of another module, such as `self.net`")  # fmt: skip


def _check_forward(module: Any, example: Any) -> None:
    """Raise ModelError for a module whose forward takes something else than one batch of images."""
    from torch import nn

    if type(module).forward is nn.Module.forward:
        raise ModelError("the model has no forward", "write one that takes a batch of images")
    try:
        found = inspect.signature(module.forward)
    except ValueError:  # it has none that can be read
        return
    try:
        found.bind(example)
    except TypeError:
        taken = [name for name, one in found.parameters.items() if one.default is one.empty]
        several = " and ".join(taken) or "nothing"
        raise ModelError(f"forward takes {several}, and import gives it one batch of images", "only such models are imported: "
                         "wrap it in a module whose forward takes the images alone") from None  # fmt: skip


def _hooks(module: Any) -> str | None:
    """How the hooks of a module are removed, as far as it is known; None where it has none."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [hook for kind in kinds for hook in (getattr(module, kind, None) or {}).values()]
    if not hooks:
        return None
    bases = [base.__name__ for hook in hooks for base in type(hook).__mro__]
    known = next((how for name, how in REMOVERS.items() if name in bases), None)
    return f", as with torch.nn.utils.{known}" if known else ""

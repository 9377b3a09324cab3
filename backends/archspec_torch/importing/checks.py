"""What is looked at before a module is traced: hooks, parametrizations and the like, of which a graph says nothing."""

from __future__ import annotations

from typing import Any

from archspec.errors import ModelError


def check_module(module: Any, example: Any) -> None:
    """Raise ModelError for a module that is no model of images, or does more than its graph would show."""
    from torch import nn

    if not isinstance(module, nn.Module):
        raise ModelError(
            f"the model is a {type(module).__name__}, and no torch.nn.Module", "give the module itself"
        )
    if getattr(example, "ndim", 0) != 4:
        raise ModelError("the example is no batch of images (N, C, H, W)", "such as torch.zeros(2, 3, 224, 224)")
    if type(module).__name__ in ("RecursiveScriptModule", "ScriptModule", "GraphModule"):
        raise ModelError(
            "a scripted or traced module has no Python modules to read", "give the module that it was made of"
        )
    for path, one in module.named_modules():
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        if any(getattr(one, kind, None) for kind in kinds):
            raise ModelError(
                f"`{path or 'the model'}` has hooks, which run code that no graph shows", "remove them first"
            )
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
                "a spec says `share`, which import does not write yet: give each module its own",
            )
        names[id(tensor)] = path


def check_names(module: Any) -> None:
    """Raise ModelError where the modules of a model have names that no steps of a net have."""
    if any(name.isdecimal() for name, _ in module.named_children()):
        raise ModelError("the modules of the model have numbers for names, as in a sequence, which steps of a net have not",
                         "make it a part of another module, such as `self.net`")  # fmt: skip

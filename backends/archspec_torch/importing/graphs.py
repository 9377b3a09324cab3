"""The graph of a module by `torch.export`, and where in the model's source a node comes from."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from archspec.errors import ModelError
from archspec.importing import Scope


def exported(module: Any, example: Any) -> Any:
    """The program of a module in training, with stochastic depth wherever it may be. Raises ModelError."""
    import torch

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr), _quiet(), _dropping(module):
            warnings.simplefilter("ignore")
            return torch.export.export(module, (example,), strict=False)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the model's own code raises
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "GuardOnDataDependent" in type(error).__name__ or "data-dependent" in str(error).lower():
            raise ModelError(f"the model decides by the values of tensors: {said}",
                             "a spec has one graph for all images; take the decision out of forward") from None  # fmt: skip
        missing = "required argument" in said or "required positional argument" in said
        help_ = (
            "only models of one batch of images are imported"
            if missing
            else ("it must run on a batch of the given size in training mode; --input C,H,W says another")
        )
        raise ModelError(f"the model could not be run: {type(error).__name__}: {said}", help_) from None


@contextlib.contextmanager
def _dropping(module: Any) -> Iterator[None]:
    """With stochastic depth at some rate wherever it is 0, so that blocks which differ in that alone have the same operations."""
    before = []
    for one in module.modules():
        for name in ("p", "drop_prob"):
            if type(one).__name__ in ("StochasticDepth", "DropPath") and getattr(one, name, None) == 0:
                before.append((one, name, getattr(one, name)))
                setattr(one, name, 0.5)
    try:
        yield
    finally:
        for one, name, value in before:
            setattr(one, name, value)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of torch.export, which tells again what it raises."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def scopes(module: Any, stack: Any) -> tuple[Scope, ...]:
    """The calls of modules that a node stands in."""
    from torch import nn

    found = []
    for key, (path, _) in stack.items():
        path = path.partition("@")[0]
        if path:
            own = type(module.get_submodule(path))
            found.append(Scope(key, path, own.__name__, own is nn.Sequential))
    return tuple(found)


def place(node: Any) -> str:
    """Where the model says it: the module's path, and the line of its source that is no line of PyTorch's."""
    stack = node.meta.get("nn_module_stack") or {}
    path = list(stack.values())[-1][0] if stack else ""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    files = [line for line in lines if line.startswith("File ") and "/torch/" not in line]
    if not files:
        return f"in `{path}`" if path else "in forward"
    file, _, rest = files[-1].removeprefix('File "').partition('", line ')
    return f"in `{path or 'the model'}`, {file}:{rest.partition(',')[0]}"

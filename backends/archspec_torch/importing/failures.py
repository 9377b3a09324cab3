"""Errors of a model's own code as one message: where in it they come from, and what helps."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from typing import Any

from archspec.errors import ModelError

STDLIB = sysconfig.get_path("stdlib")
DECIDING = (
    "a spec has one graph for all images: take `if`, `while`, `.item()` and `int()` of a tensor out of forward"
)

UNSAID = {
    "wrap_with_set_grad_enabled": "a part of forward runs without gradients, as under torch.no_grad(): leave that out, and "
    "freeze modules in the spec, as with `train: {freeze: [features]}`",
    "wrap_with_autocast": "a part of forward runs under torch.autocast: leave that out, and say `train: {precision: bf16}`",
    "aten._assert_tensor_metadata": "numbers change their type, as by half(): leave that out, and say `train: {precision: bf16}`",
    "aten.detach": "a value is cut off from its gradient: leave detach() out, and freeze modules in the spec, as with "
    "`train: {freeze: [features]}`",
    "aten.conv1d": "a convolution of one dimension, and nets of archspec take images",
    "aten.conv3d": "a convolution of three dimensions, and nets of archspec take images",
}
"""Why a spec has no words for an operation, where there is more to say than that it has none."""


LONGEST = 400
"""Characters of what a graph or a model's own code says that a line of a message has."""


def shortened(text: str) -> str:
    """Text on a line of a message, which is cut where it is longer than that."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind."""
    return shortened(next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__))


def unsaid(target: Any) -> str | None:
    """Why a spec cannot say an operation; None of those of which nothing special is known."""
    name = str(target)
    return next((why for known, why in UNSAID.items() if name == known or name.startswith(f"{known}.")), None)


def failure(error: BaseException, module: Any, mode: str = "training") -> ModelError:
    """What ended a model's forward in a mode, as an error of importing."""
    said = first_line(error)
    where = _place(error, module)
    if "GuardOnDataDependent" in type(error).__name__ or "data-dependent" in str(error).lower():
        return ModelError(f"the model decides by the values of tensors{where}", DECIDING)
    if ".numpy()" in said:
        return ModelError(
            f"the model leaves PyTorch for NumPy{where}", "compute it with PyTorch's operations, or leave it out"
        )
    return ModelError(
        f"the model could not be run{where}: {type(error).__name__}: {said}",
        f"it must run in {mode} mode on a batch of images of this size; --input C,H,W says another",
    )


def _place(error: BaseException, module: Any) -> str:
    """The innermost module of a model that an error went through, and the line of source that is no line of PyTorch's."""
    paths = {id(one): path for path, one in module.named_modules()}
    for each in _chain(error):
        path = line = None
        for frame, number in traceback.walk_tb(each.__traceback__):
            path = paths.get(id(frame.f_locals.get("self")), path)
            file = frame.f_code.co_filename
            library = (
                file.startswith("<") or "/torch/" in file or (file.startswith(STDLIB) and "-packages" not in file)
            )
            if path is not None and not library:
                line = f", {file}:{number}"
        if path is not None:
            return f" (in {f'`{path}`' if path else 'the model'}{line or ''})"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__

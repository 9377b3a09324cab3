"""Observation of a model: what each of its modules gives, and the gradients of a step, as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archspec.backends.protocol import Draw, Observed
from archspec_torch.importing.proof import nothing_dropped
from archspec_torch.importing.results import by_name, like

Arrays = dict[str, "np.ndarray[Any, Any]"]


def observed(model: nn.Module, outputs: Sequence[str], images: Any, draw: Draw | None) -> Observed:
    """A model in double precision, which it becomes, on images: in evaluation, or with `draw` a step of training."""
    model = model.double().train(draw is not None)
    model.zero_grad()
    layers: Arrays = {}
    slopes: Arrays = {}
    calls: Counter[str] = Counter()

    def note(name: str, module: nn.Module, inputs: object, output: object) -> None:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return
        calls[name] += 1
        key = name if calls[name] == 1 else f"{name} ({calls[name]})"
        layers[key] = _copied(output)  # at once, for the activation that follows may work in place
        if output.requires_grad:
            output.register_hook(partial(_keep, slopes, key))  # type: ignore[no-untyped-call]

    hooks = [one.register_forward_hook(partial(note, name)) for name, one in model.named_modules() if name]
    try:
        with nothing_dropped(model), torch.set_grad_enabled(draw is not None):
            given = model(torch.from_numpy(np.array(images, np.float64)))
            results = like(given, list(outputs)) if outputs else by_name(given)
            if draw is not None:
                weighed = [
                    (one * torch.from_numpy(draw(name, tuple(one.shape)))).sum() for name, one in results.items()
                ]
                sum(weighed[1:], weighed[0]).backward()
    finally:
        for hook in hooks:
            hook.remove()
    gradients = {name: one.grad.numpy() for name, one in model.named_parameters() if one.grad is not None}
    statistics = {name: _copied(one) for name, one in model.named_buffers() if one.is_floating_point()}
    return Observed(
        layers,
        {name: _copied(one) for name, one in results.items()},
        {name: slopes[name] for name in layers if name in slopes},
        gradients,
        statistics if draw is not None else {},
    )


def _keep(slopes: Arrays, key: str, slope: Tensor) -> None:
    slopes[key] = _copied(slope)


def _copied(tensor: Tensor) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = tensor.detach().cpu().numpy().copy()
    return found

"""A trained net as a function from the host's pixels; forward hooks tell of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from archspec_runtime.frameworks.probe import Answer, Floats, Probe
from archspec_runtime.job.exhausted import while_measuring
from archspec_runtime.job.job import Job

from .device import out_of_memory
from .precision import autocast


def make_probe(model: nn.Module, job: Job, device: torch.device, layers: Sequence[str]) -> Probe:
    """A model as a function, in the precision of its recipe."""
    model.eval()
    kind = next(model.parameters()).dtype
    exact = torch.float32 if device.type == "mps" else torch.float64  # which Apple's devices do not have
    moments: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
        # at once, for the activation that follows may work in place
        values = output.flatten(1).to(exact)
        moments[name] = torch.stack([values.mean(1), values.square().mean(1)])

    for name in layers:
        model.get_submodule(name).register_forward_hook(partial(note, name))

    @torch.inference_mode()
    def probe(pixels: Floats) -> Answer:
        images = torch.from_numpy(pixels).to(device).to(kind, memory_format=torch.channels_last)
        with out_of_memory(partial(while_measuring, len(pixels))), autocast(device, job.recipe.precision):
            logits: Tensor = job.scores(model(images))
        both = [moments[name].cpu().double().numpy() for name in layers]
        means, squares = np.stack(both, axis=2) if both else np.empty((2, len(pixels), 0))
        return Answer(logits.cpu().double().numpy(), means, squares)

    return probe

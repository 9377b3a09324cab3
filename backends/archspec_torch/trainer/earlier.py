"""What runs of earlier versions have otherwise: the groups of their optimizers, and a `train.py` that states no evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .device import autocast
from .training import EvalStep, Scores


def regrouped(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> Mapping[str, Any] | None:
    """The state of an optimizer whose matrices were in one group and whose vectors were in another, by the groups that it has.

    None where it is of yet other groups.
    """
    own = [[*group["params"]] for group in optimizer.param_groups]
    sizes = [len(group["params"]) for group in state["param_groups"]]
    every = [p for params in own for p in params]
    earlier = [[p for p in every if p.ndim > 1], [p for p in every if p.ndim <= 1]]
    if len(own) > 1 or sizes != [len(params) for params in earlier if params]:
        return None
    places = {id(p): place for place, p in enumerate(every)}
    order = [places[id(p)] for params in earlier for p in params]
    kept = {order[index]: entry for index, entry in state["state"].items()}
    return {**state, "state": kept, "param_groups": [{**state["param_groups"][0], "params": [*range(len(every))]}]}


def usual(precision: str, classes: int) -> EvalStep:
    """How runs are measured whose `train.py` does not say it: those of earlier versions."""

    def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
        with autocast(images.device, precision):
            logits = model(images)
        loss = F.cross_entropy(logits.to(images.dtype), labels, reduction="sum")
        right = logits.topk(min(5, classes), dim=1).indices == labels[:, None]
        return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())

    return eval_step

"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from archspec_runtime import Data, HFlip, Job, PadCrop, Phase, Recipe, Step
from archspec_runtime.data.cifar import cifar10
from archspec_torch.trainer import Lamb, Run, Scores, Training, main, matches
from model import CifarResNet

JOB = Job(
    name="cifar-resnet-20",
    input_shape=(3, 32, 32),
    classes=10,
    recipe=Recipe(
        data=Data(
            dataset=cifar10, holdout=5000, augment=(PadCrop(4), HFlip()), normalize="per_pixel_mean"
        ),
        steps=64_000,
        lr=(Phase(0.1, until=(Step(32_000),)), Phase(0.01, until=(Step(48_000),)), Phase(0.001)),
    ),
)
FROZEN = ("*.bias",)


def freeze(model: nn.Module) -> None:
    """Leave parameters as they are, and the statistics of batch norms that have no others."""
    for name, parameter in model.named_parameters():
        if matches(name, FROZEN):
            parameter.requires_grad_(False)


def make_optimizer(model: nn.Module) -> Lamb:
    """LAMB, whose steps are as long as what they change. `JOB` sets the rate of each step."""
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]  # scales and shifts of norms, biases
    groups = [
        {"params": decayed, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0.0},
    ]
    return Lamb(groups, betas=(0.9, 0.999), eps=1e-06)


def train_step(run: Run, images: Tensor, labels: Tensor) -> None:
    """Take one step on images (N, 3, 32, 32) with labels (N,)."""
    run.optimizer.zero_grad(set_to_none=True)
    logits = run.forward(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    run.report(loss, logits, labels)
    run.optimizer.step()


def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
    """Measure images (N, 3, 32, 32) with labels (N,): sums over them."""
    logits = model(images)
    loss = F.cross_entropy(logits, labels, reduction="sum")
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())


TRAINING = Training(make_optimizer, train_step, eval_step, freeze)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn, optim

from archspec_runtime import Data, HFlip, Job, Measured, PadCrop, Phase, Recipe
from archspec_runtime.data.cifar import cifar10
from archspec_torch.trainer import Run, Scores, Training, fusable, main
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
        lr=(Phase(0.1, until=(Measured("train_error", "<", 80.0),)), Phase(0.01)),
        accumulate=2,
    ),
)


def make_optimizer(model: nn.Module) -> optim.SGD:
    """Stochastic gradient descent with Nesterov's momentum. `JOB` sets the rate of each step."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]  # scales and shifts of norms, biases
    groups = [
        {"params": decayed, "weight_decay": 0.01},
        {"params": others, "weight_decay": 0.0},
    ]
    return optim.SGD(groups, momentum=0.9, nesterov=True, fused=fusable(model))


def train_step(run: Run, images: Tensor, labels: Tensor) -> None:
    """Take one step on images (N, 3, 32, 32) with labels (N,)."""
    run.optimizer.zero_grad(set_to_none=True)
    parts = zip(images.chunk(2), labels.chunk(2), strict=True)
    for number, (images, labels) in enumerate(parts, 1):
        with run.gradients_shared(last=number == 2):
            logits = run.forward(images)
            loss = F.cross_entropy(logits, labels) / 2
            loss.backward()
            run.report(loss, logits, labels)
    nn.utils.clip_grad_norm_(run.model.parameters(), 0.5)
    run.optimizer.step()


def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
    """Measure images (N, 3, 32, 32) with labels (N,): sums over them."""
    logits = model(images)
    loss = F.cross_entropy(logits, labels, reduction="sum")
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())


TRAINING = Training(make_optimizer, train_step, eval_step)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

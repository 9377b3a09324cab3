"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from archspec_runtime import Data, HFlip, Job, Moment, PadCrop, Phase, Recipe, Skip, Step
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
        lr=(Phase(0.1, until=(Step(32_000),)), Phase(0.01, until=(Step(48_000),)), Phase(0.001)),
        precision="bf16",
        bad_loss=Skip(spike=4.0),
    ),
)


def make_optimizer(model: nn.Module) -> optim.AdamW:
    """Adam with decoupled weight decay. `JOB` sets the rate of each step."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]  # scales and shifts of norms, biases
    groups = [
        {"params": decayed, "weight_decay": 0.05},
        {"params": others, "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-08, fused=fusable(model))


def ema_decay(at: Moment) -> float:
    """The share of themselves that the EMA weights keep at each step."""
    return 0.99


def train_step(run: Run, images: Tensor, labels: Tensor) -> None:
    """Take one step on images (N, 3, 32, 32) with labels (N,)."""
    before = run.statistics()
    run.optimizer.zero_grad(set_to_none=True)
    with torch.autocast(run.device.type, torch.bfloat16):
        logits = run.forward(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
    loss.backward()
    run.report(loss, logits, labels)
    faulty = run.faulty(before)  # at a non-finite loss or gradient, or a spike, nothing changes
    run.update(faulty)
    run.average_weights(faulty)


def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
    """Measure images (N, 3, 32, 32) with labels (N,): sums over them."""
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = (model(images) + model(images.flip(3))) / 2
    loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())


TRAINING = Training(make_optimizer, train_step, eval_step, ema_decay=ema_decay)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

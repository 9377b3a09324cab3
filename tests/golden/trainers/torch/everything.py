"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archspec_runtime import Data, HFlip, Job, Mix, Moment, PadCrop, Phase, Recipe, Skip, Step
from archspec_runtime.data.cifar import cifar10
from archspec_torch.trainer import Lamb, Mixed, Run, Scores, Training, main, mix_images
from model import CifarResNet

JOB = Job(
    name="cifar-resnet-20",
    input_shape=(3, 32, 32),
    classes=10,
    recipe=Recipe(
        data=Data(
            dataset=cifar10,
            holdout=5000,
            augment=(PadCrop(4), HFlip()),
            normalize="per_pixel_mean",
            mix=Mix(mixup=0.2, cutmix=1.0),
        ),
        steps=64_000,
        lr=(Phase(0.1, until=(Step(32_000),)), Phase(0.01, until=(Step(48_000),)), Phase(0.001)),
        accumulate=4,
        precision="fp16",
        bad_loss=Skip(),
    ),
)


def make_optimizer(model: nn.Module) -> Lamb:
    """LAMB, whose steps are as long as what they change. `JOB` sets the rate of each step."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]  # scales and shifts of norms, biases
    groups = [
        {"params": decayed, "weight_decay": 0.02},
        {"params": others, "weight_decay": 0.0, "adapt": False},
    ]
    return Lamb(groups, betas=(0.9, 0.999), eps=1e-06)


def ema_decay(at: Moment) -> float:
    """The share of themselves that the EMA weights keep at each step."""
    return 0.999


def shares_of(labels: Tensor) -> Tensor:
    """Shares of the classes (N, 10) for labels (N,)."""
    shares = torch.full((len(labels), 10), 0.0, device=labels.device)
    return shares.scatter_(1, labels[:, None], 1.0)


def train_step(run: Run, images: Tensor, labels: Tensor, mixed: Mixed | None) -> None:
    """Take one step on images (N, 3, 32, 32) with labels (N,)."""
    targets = shares_of(labels)
    if mixed is not None:  # mixup or cutmix: each with the one before it in the batch
        images = mix_images(images, mixed, run.one_before)
        targets = mixed.share * targets + (1 - mixed.share) * run.one_before(targets)
    targets = (targets > 0.2).to(targets.dtype)
    before = run.statistics()
    run.optimizer.zero_grad(set_to_none=True)
    parts = zip(images.chunk(4), labels.chunk(4), targets.chunk(4), strict=True)
    for number, (images, labels, targets) in enumerate(parts, 1):
        with run.gradients_shared(last=number == 4):
            with torch.autocast(run.device.type, torch.float16):
                logits = run.forward(images)
                loss = F.binary_cross_entropy_with_logits(logits, targets) / 4
            run.scaler.scale(loss).backward()
            run.report(loss, logits, labels)
    faulty = run.faulty(before)  # at a non-finite loss or gradient, or a spike, nothing changes
    run.update(faulty, clip_norm=1.0)
    run.average_weights(faulty)


def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
    """Measure images (N, 3, 32, 32) with labels (N,): sums over them."""
    with torch.autocast(images.device.type, torch.float16):
        logits = model(images)
    loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())


TRAINING = Training(make_optimizer, train_step, eval_step, ema_decay=ema_decay)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

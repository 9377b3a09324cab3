"""Train vgg19 on image_folder.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn, optim

from archspec_runtime import (
    Data,
    HFlip,
    Job,
    PcaLighting,
    Phase,
    Plateau,
    RandomCrop,
    Recipe,
    ResizeShorter,
)
from archspec_runtime.data.folder import image_folder
from archspec_torch.trainer import Run, Scores, Training, fusable, main
from model import VGG

JOB = Job(
    name="vgg19",
    input_shape=(3, 224, 224),
    classes=1000,
    recipe=Recipe(
        data=Data(
            dataset=image_folder,
            augment=(ResizeShorter(256, 512), RandomCrop(), HFlip(), PcaLighting()),
            normalize="per_channel_mean",
            eval_resize=256,
        ),
        batch_size=256,
        epochs=74,
        lr=(
            Phase(0.01, until=(Plateau(5),)),
            Phase(0.001, until=(Plateau(5),)),
            Phase(0.0001, until=(Plateau(5),)),
            Phase(1e-05),
        ),
    ),
)


def make_optimizer(model: nn.Module) -> optim.SGD:
    """Stochastic gradient descent with momentum. `JOB` sets the rate of each step."""
    return optim.SGD(model.parameters(), momentum=0.9, weight_decay=0.0005, fused=fusable(model))


def train_step(run: Run, images: Tensor, labels: Tensor) -> None:
    """Take one step on images (N, 3, 224, 224) with labels (N,)."""
    run.optimizer.zero_grad(set_to_none=True)
    logits = run.forward(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    run.report(loss, logits, labels)
    run.optimizer.step()


def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
    """Measure images (N, 3, 224, 224) with labels (N,): sums over them."""
    logits = model(images)
    loss = F.cross_entropy(logits, labels, reduction="sum")
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())


TRAINING = Training(make_optimizer, train_step, eval_step)

if __name__ == "__main__":
    raise SystemExit(main(VGG, JOB, TRAINING))

"""Train googlenet on image_folder.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import torch
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
from model import GoogLeNet

JOB = Job(
    name="googlenet",
    input_shape=(3, 224, 224),
    classes=1000,
    recipe=Recipe(
        data=Data(
            dataset=image_folder,
            augment=(ResizeShorter(256, 480), RandomCrop(), HFlip(), PcaLighting()),
            normalize="per_pixel_mean",
            eval_resize=256,
        ),
        batch_size=256,
        steps=600_000,
        lr=(
            Phase(0.1, until=(Plateau(5),)),
            Phase(0.01, until=(Plateau(5),)),
            Phase(0.001, until=(Plateau(5),)),
            Phase(0.0001),
        ),
        accumulate=2,
        precision="bf16",
    ),
)


def make_optimizer(model: nn.Module) -> optim.SGD:
    """Stochastic gradient descent with momentum. `JOB` sets the rate of each step."""
    return optim.SGD(model.parameters(), momentum=0.9, weight_decay=0.0001, fused=fusable(model))


def train_step(run: Run, images: Tensor, labels: Tensor) -> None:
    """Take one step on images (N, 3, 224, 224) with labels (N,)."""
    run.optimizer.zero_grad(set_to_none=True)
    parts = zip(images.chunk(2), labels.chunk(2), strict=True)
    for number, (images, labels) in enumerate(parts, 1):
        with run.gradients_shared(last=number == 2):
            with torch.autocast(run.device.type, torch.bfloat16):
                outputs = run.forward(images)
                logits = outputs["logits"]
                losses = {
                    "logits": F.cross_entropy(outputs["logits"], labels, label_smoothing=0.1) / 2,
                    "aux2": F.cross_entropy(outputs["aux2"], labels, label_smoothing=0.1) / 2,
                    "aux1": F.cross_entropy(outputs["aux1"], labels, label_smoothing=0.1) / 2,
                }
                loss = losses["logits"] + 0.3 * losses["aux2"] + 0.3 * losses["aux1"]
            loss.backward()
            run.report(loss, logits, labels, losses)
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()


def eval_step(model: nn.Module, images: Tensor, labels: Tensor) -> Scores:
    """Measure images (N, 3, 224, 224) with labels (N,): sums over them."""
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = model(images)["logits"]
    loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return Scores(loss, (~right[:, 0]).sum(), (~right.any(dim=1)).sum())


TRAINING = Training(make_optimizer, train_step, eval_step)

if __name__ == "__main__":
    raise SystemExit(main(GoogLeNet, JOB, TRAINING))

"""Train resnet50 on image_folder.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from archspec_runtime import (
    SGD,
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
from archspec_torch.trainer import main
from model import ResNet

JOB = Job(
    name="resnet50",
    input_shape=(3, 224, 224),
    classes=1000,
    macs=3_857_973_248,
    params=25_557_032,
    kept=20_022_272,
    fingerprint="13bad97bda630aa0",
    recipe=Recipe(
        data=Data(
            dataset="image_folder",
            augment=(ResizeShorter(256, 480), RandomCrop(), HFlip(), PcaLighting()),
            normalize="per_pixel_mean",
            eval_resize=256,
        ),
        batch_size=256,
        steps=600_000,
        optimizer=SGD(momentum=0.9, weight_decay=0.0001),
        lr=(
            Phase(0.1, until=(Plateau(5),)),
            Phase(0.01, until=(Plateau(5),)),
            Phase(0.001, until=(Plateau(5),)),
            Phase(0.0001),
        ),
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(ResNet, JOB))

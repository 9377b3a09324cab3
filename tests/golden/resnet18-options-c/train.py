"""Train resnet18 on image_folder.

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
    name="resnet18",
    input_shape=(3, 224, 224),
    classes=1000,
    macs=1_878_298_624,
    params=12_043_816,
    kept=5_720_576,
    fingerprint="9f14d275dfb526b2",
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

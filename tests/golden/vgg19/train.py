"""Train vgg19 on image_folder.

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
from model import VGG

JOB = Job(
    name="vgg19",
    input_shape=(3, 224, 224),
    classes=1000,
    macs=19_632_062_464,
    params=143_667_240,
    kept=16_557_568,
    fingerprint="e851f5a525979d19",
    recipe=Recipe(
        data=Data(
            dataset="image_folder",
            augment=(ResizeShorter(256, 512), RandomCrop(), HFlip(), PcaLighting()),
            normalize="per_channel_mean",
            eval_resize=256,
        ),
        batch_size=256,
        epochs=74,
        optimizer=SGD(momentum=0.9, weight_decay=0.0005),
        lr=(
            Phase(0.01, until=(Plateau(5),)),
            Phase(0.001, until=(Plateau(5),)),
            Phase(0.0001, until=(Plateau(5),)),
            Phase(1e-05),
        ),
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(VGG, JOB))

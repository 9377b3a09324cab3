"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from archspec_runtime import SGD, Data, HFlip, Job, PadCrop, Phase, Recipe, Step
from archspec_torch.trainer import main
from model import CifarResNet

JOB = Job(
    name="cifar-resnet-20",
    input_shape=(3, 32, 32),
    classes=10,
    macs=40_551_040,
    params=269_722,
    kept=379_968,
    fingerprint="624f64b92aa69454",
    recipe=Recipe(
        data=Data(
            dataset="cifar10",
            holdout=5000,
            augment=(PadCrop(4), HFlip()),
            normalize="per_pixel_mean",
        ),
        steps=64_000,
        optimizer=SGD(momentum=0.9, weight_decay=0.0001),
        lr=(Phase(0.1, until=(Step(32_000),)), Phase(0.01, until=(Step(48_000),)), Phase(0.001)),
    ),
)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB))

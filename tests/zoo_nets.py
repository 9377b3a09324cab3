"""The nets of the zoo for tests that build each: a few of them in every run, the others with `--long`."""

import pytest

from archspec.loading import zoo

FEW = ("cifar_highway", "cifar_resnet", "digits_resnet", "resnet18")
NETS = [name if name in FEW else pytest.param(name, marks=pytest.mark.long) for name in zoo.names()]
SMALL = dict.fromkeys(
    ("alexnet", "densenet", "efficientnet", "mnasnet", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
     "regnet", "shufflenet_v2", "squeezenet1_0", "squeezenet1_1"), 64,
)  # fmt: skip
"""The side of images on which these answer soon."""


def long(*names):
    """Parameters for the long run."""
    return [pytest.param(name, marks=pytest.mark.long) for name in names]

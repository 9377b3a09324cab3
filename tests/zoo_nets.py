"""The nets of the zoo for tests that build each: those that take long to compile are left to the long run."""

import pytest

from archspec.loading import zoo

DEEP = ("alexnet", "densenet", "efficientnet", "mnasnet", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
        "regnet", "shufflenet_v2", "squeezenet1_0", "squeezenet1_1")  # fmt: skip

NETS = [pytest.param(name, marks=pytest.mark.long) if name in DEEP else name for name in zoo.names()]
SMALL = dict.fromkeys(DEEP, 64)
"""The side of images on which these answer soon."""

"""The nets of the zoo for tests that build each: a few in every run, one of each kind with `--long`, all with `--release`."""

import numpy as np
import pytest

from archspec.loading import zoo

FEW = ("cifar_highway", "cifar_resnet", "digits_resnet", "resnet18")
EACH_KIND = ("mobilenet_v3_small", "vit", "swin", "swin_v2", "fixup", "unet", "lraspp_mobilenet_v3_large")


def marked(name):
    """A net as a parameter: in which runs it is."""
    mark = pytest.mark.long if name in EACH_KIND else pytest.mark.release
    return name if name in FEW else pytest.param(name, marks=mark)


NETS = [marked(name) for name in zoo.names()]
SMALL = dict.fromkeys(
    ("alexnet", "densenet", "efficientnet", "efficientnet_v2", "mnasnet", "mobilenet_v2", "mobilenet_v3_large",
     "mobilenet_v3_small", "regnet", "repvgg", "resnest50d", "resnet50d", "resnetaa50", "resnetv2", "nf_resnet50", "seresnet50",
     "shufflenet_v2", "squeezenet1_0", "squeezenet1_1", "googlenet", "fcn_resnet50", "convnextv2",
     "deeplabv3_resnet50", "skresnet50", "res2net50_26w_4s", "lraspp_mobilenet_v3_large", "resnet50_fpn", "fixup_resnet50"), 64,
) | {"unet": 188}  # fmt: skip
"""The side of images on which these answer soon."""


SEVERAL_OUTPUTS = {
    "fcn_resnet50": [],
    "unet": [],
    "deeplabv3_resnet50": [],
    "lraspp_mobilenet_v3_large": [],
    "resnet50_fpn": [],
    "googlenet": ["googlenet:plain"],
    "inception_v3": ["inception_v3:plain"],
}
"""Nets that are not trained yet, and what of each is."""
TRAINED = [trained for name in zoo.names() for trained in SEVERAL_OUTPUTS.get(name, [name])]


def flat(result):
    """The outputs of a net as one array, each behind the one whose name comes before its own."""
    named = result if isinstance(result, dict) else {"": result}
    return np.concatenate([np.asarray(named[name]).reshape(len(named[name]), -1) for name in sorted(named)], axis=1)


def rarely(*names):
    """Parameters for the runs before a release."""
    return [pytest.param(name, marks=pytest.mark.release) for name in names]

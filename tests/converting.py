"""What tests of weights share: weights after a step, what is equal, and every net of the zoo made narrow."""

import re
from pathlib import Path

import pytest

import archspec
from archspec.loading import zoo

torch = pytest.importorskip("torch")

EVERYTHING = str(Path(__file__).parent / "golden" / "everything.yaml")


def weights_of(net):
    """Weights after a step's statistics."""
    model = archspec.build(net, "torch", seed=3)
    model(torch.randn(4, *net.input_shape))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name].flatten().view(torch.uint8) if tensor.ndim else found[name],
                           tensor.flatten().view(torch.uint8) if tensor.ndim else tensor), name  # fmt: skip


def in_order(net, state):
    return {name: state[name] for name in net.tensor_shapes()}


WIDTHS = {f"stages.layer{i}.width": width for i, width in enumerate((4, 8, 12, 16), 1)}
SMALLER = {name: {**WIDTHS, "classes": 10} for name in zoo.names() if re.match(r"(se)?resne|plain", name)}
SMALLER["resnetv2"] = {"input.size": 64, "classes": 10}
PATCHES = {"size": 32, "depth": 2, "width": 16, "classes": 10}
SMALLER |= {"vit": {**PATCHES, "heads": 2}, "deit": {**PATCHES, "heads": 2}, "mixer": PATCHES}
SMALLER["swin"] = {"width": 32, "deep": 2, "classes": 10}
SMALLER["swin_v2"] = SMALLER["swin"]
SMALLER["convnext"] = {"input.size": 32, "width": 4, "deep": 1, "classes": 10}
SMALLER["convnextv2"] = SMALLER["convnext"]
SMALLER["wrn"] = {"n": 1, "k": 1}
SMALLER["preact"] = SMALLER["stochastic_depth"] = {"n": 1}
SMALLER["densenet_bc"] = {"layers": 2}
SMALLER["unet"] = {"input.size": 188, "width": 2}
SMALLER["nf_resnet50"] = SMALLER["fixup_resnet50"] = {"input.size": 64, "classes": 10}
SMALLER["fixup"] = {"n": 1}
SMALLER |= {f"{name}_resnet50": {"input.size": 64} for name in ("fcn", "deeplabv3")}
SMALLER |= {name: {"input.size": 64} for name in ("lraspp_mobilenet_v3_large", "resnet50_fpn")}
SMALLER["vgg"] = SMALLER["vgg19"] = {"input.size": 32, "classes": 10, "width": 4, "units": 32}
"""What is large goes narrower, with all its layers."""
TABLE = [["fused_mbconv", 1, 8, 1, 1], ["fused_mbconv", 4, 12, 2, 2], ["mbconv", 4, 16, 2, 2]]
SHALLOW = {"efficientnet_v2": {"width": 8, "table": TABLE}, "swin_v2": SMALLER["swin_v2"], "unet": {"width": 2}}
"""What answers alike with fewer layers or channels: of so many layers, drawn weights make chaos of the rounding of singles."""
SMALLER["efficientnet_v2"] = {**SHALLOW["efficientnet_v2"], "input.size": 64, "classes": 10}


def smaller(name):
    return archspec.load(name, set=SMALLER.get(name, {}))


def run(cli, source, target="out.safetensors", *options):
    return cli("convert", source, target, "--spec", "digits_resnet", "--set", "n=1", *options)

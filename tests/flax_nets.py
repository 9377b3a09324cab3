"""Nets whose Flax models are tested: those of the golden files, and one whose names are those of helpers."""

import archspec
from archspec.ops.base import tensor_name
from emitting import GOLDEN, OVERRIDES

NETS = {
    "cifar-resnet-20": "cifar_resnet:resnet20",
    "cifar-highway-20": "cifar_highway",
    "cifar-resnet-110": "cifar_resnet:resnet110",
    "resnet50": "resnet50",
    "resnet18-options-c": "resnet18",
    "vgg19": "vgg19",
    "everything": str(GOLDEN / "everything.yaml"),
    "paths": str(GOLDEN / "paths.yaml"),
    "starts": str(GOLDEN / "flax" / "starts.yaml"),
}


def load(key):
    return archspec.load(NETS[key], set=OVERRIDES.get(key))


HELPERS = """archspec: 1
name: linear
input: {channels: 3, size: 6}
classes: 3
blocks:
  b: {class_name: Conv, args: {width: int}, out: width, body: [{conv: {out: width, kernel: 3}}, relu, norm]}
  sequential: {args: {width: int}, out: width, body: [{uniform: {conv: {out: width, kernel: 1}}}]}
stem: [{layers: {conv: {out: 4, kernel: 3}}}, {kernel: norm}]
stages: [{name: scale, block: b, width: 4, repeat: 2}, {name: mean, block: sequential, width: 4}]
head: [global_avg_pool, {bias: {linear: {out: classes}}}]
"""


def all_shapes(net):
    """Every tensor of a net by its dotted name, buffers included."""
    buffers = {
        tensor_name(r.name, k): s for r in net.modules() for k, s in r.target.buffers(*r.input_shapes).items()
    }
    return net.parameter_shapes() | buffers

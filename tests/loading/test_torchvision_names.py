"""The nets of torchvision by its names: every tensor of its `state_dict` is there, of its shape, and no other."""

import hashlib
import json
from pathlib import Path

import pytest

import archspec

REFERENCE = json.loads((Path(__file__).parent.parent / "data" / "torchvision_names.json").read_text())["nets"]
"""Of each net: how many tensors, how many parameters, and a hash of the sorted names and shapes."""


@pytest.mark.parametrize("name", REFERENCE)
def test_a_net_of_torchvision_has_its_tensors(name):
    net = archspec.load(name)
    shapes = {key: tuple(shape) for key, shape in net.tensor_shapes().items()}
    text = "\n".join(f"{key} {list(shape)}" for key, shape in sorted(shapes.items()))
    assert net.name == name
    assert len(shapes) == REFERENCE[name]["tensors"]
    assert net.cost.params == REFERENCE[name]["params"]
    assert hashlib.sha256(text.encode()).hexdigest() == REFERENCE[name]["sha256"]

"""Nets under the names of torchvision and timm: every tensor, and with them installed every answer."""

import importlib.util
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import archspec
from published import FEW, NETS, SMALL, tensors

ROOT = Path(__file__).parents[2]
REFERENCE = json.loads((ROOT / "tests" / "data" / "published_nets.json").read_text())["nets"]


@pytest.mark.parametrize("name", NETS)
def test_names_shapes_and_counts_are_the_published_ones(name):
    net = archspec.load(name)
    expected = REFERENCE[name]
    shapes = net.tensor_shapes()
    assert (net.cost.params, len(shapes)) == (expected["params"], expected["tensors"])
    assert tensors(shapes) == expected["sha256"], "bench/published_reference.py prints what it should be"


def drawn(key, random):
    """Values of a tensor with which images matter to the answers: He's for weights, near 1 for scales and variances."""
    if key.endswith("running_var"):
        return 1 + 0.1 * abs(random)
    if random.ndim > 1:
        return random * (2 * len(random) / random.size) ** 0.5
    return 0.05 * random + (1 if key.endswith("weight") else 0)


def filled(model):
    """The model in double precision with weights by the name of each."""
    import torch

    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                random = np.random.default_rng(zlib.crc32(key.encode())).normal(size=tensor.shape)
                tensor.copy_(torch.from_numpy(drawn(key, random)))
    return model.double()


def each_of(result):
    """The outputs of a net in order: torchvision's are a dictionary, a named tuple or a tensor."""
    if isinstance(result, tuple):
        return list(result)
    return list(result.values()) if isinstance(result, dict) else [result]


@pytest.mark.long
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.release) for name in SMALL]
)
def test_answers_are_the_published_ones(name, training, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(Path(sys.prefix) / "peers")
    for package in ("torchvision", "timm"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `make test-all` does")
    monkeypatch.syspath_prepend(ROOT / "bench")
    peers = importlib.import_module("peers")
    net = archspec.load(name)
    if "drop_path" in net.resolved.scope:
        net = archspec.load(name, set={"drop_path": 0.0})
    if net.outputs and net.input_shape[1] > 300:
        net = archspec.load(name, set={"input.size": 64})
    theirs = filled(peers.published(name))
    ours = archspec.build(net, "torch").double()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    for model in (theirs, ours):
        model.train(training)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout) or type(module).__name__ == "StochasticDepth":
                module.p = 0.0
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *net.input_shape)))
    with torch.inference_mode():
        pairs = list(zip(each_of(theirs(images)), each_of(ours(images)), strict=True))
    for expected, found in pairs:
        assert (expected[0] - expected[1]).abs().max() > 1e-3 * expected.abs().max(), "the image matters"
        assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()
    sys.modules.pop("peers", None)

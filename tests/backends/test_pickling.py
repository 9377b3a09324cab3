"""Built models go to other processes: pickled, or with a message that says how."""

import copy
import pickle
import subprocess
import sys

import pytest

import archspec

SMALL = "input: {size: 8}\nclasses: 3\nstem: [{conv: {out: 4, kernel: 3}}, norm, act]\n"
SMALL += "stages: [{name: s, block: basic, width: 4}]\n"
SMALL += "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"

LOADED = """
import sys, torch
torch.manual_seed(0)
model = torch.load(sys.argv[1], weights_only=False).eval()
print(type(model).__name__, model(torch.ones(1, 3, 8, 8)).tolist())
"""

STATE = """
import pickle, sys, jax.numpy as jnp
import archspec
from flax import nnx
model = archspec.build(archspec.load(sys.argv[1]), "flax", seed=5)
nnx.update(model, pickle.load(open(sys.argv[2], "rb")))
model.eval()
print(model(jnp.ones((1, 8, 8, 3))).tolist())
"""


def printed(code, *args):
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_saved_pytorch_model_is_loaded_in_another_process(spec, tmp_path):
    torch = pytest.importorskip("torch")
    model = archspec.build(archspec.load(spec(SMALL)), "torch", seed=1).eval()
    torch.save(model, tmp_path / "model.pt")
    assert printed(LOADED, tmp_path / "model.pt") == f"Net {model(torch.ones(1, 3, 8, 8)).tolist()}"


def test_pytorch_models_are_copied_and_pickled_with_their_class(spec):
    pytest.importorskip("torch")
    net = archspec.load(spec(SMALL))
    model = archspec.build(net, "torch")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), archspec.build(net, "torch")):  # noqa: S301
        assert type(other) is type(model)
        assert all(a.equal(b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_flax_model_says_how_it_gets_to_another_process(spec, tmp_path):
    pytest.importorskip("flax")
    import jax.numpy as jnp
    from flax import nnx

    path = spec(SMALL)
    model = archspec.build(archspec.load(path), "flax", seed=1)
    with pytest.raises(pickle.PicklingError, match=r"pickle `nnx.state\(model\)`.*`nnx.update\(model, state\)`"):
        pickle.dumps(model)
    assert type(copy.deepcopy(model)) is type(model)
    (tmp_path / "state.pickle").write_bytes(pickle.dumps(nnx.state(model)))
    model.eval()
    assert printed(STATE, path, tmp_path / "state.pickle") == str(model(jnp.ones((1, 8, 8, 3))).tolist())

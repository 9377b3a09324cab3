"""A backend of somebody else: installed as its own distribution, found through its entry point, and of use."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import archspec

EXAMPLE = Path(__file__).parents[1] / "example_backend"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example in a folder of its own, and an environment that has it."""
    folder = tmp_path_factory.mktemp("site")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        folder,
    ]
    subprocess.run([*pip, EXAMPLE], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_it_is_short():
    assert len((EXAMPLE / "archspec_numpy.py").read_text().splitlines()) < 200


def test_it_is_found_and_listed(installed, process):
    assert "backend numpy" in process("doctor", env=installed).stdout


LOGITS = """
import sys, numpy as np
from safetensors.numpy import load_file
from model import forward
np.save("logits.npy", forward(load_file("w.safetensors"), np.load("images.npy")))
"""


@pytest.mark.parametrize("name", ["digits_resnet:resnet20", "resnet18", "cifar_resnet:plain20"])
def test_its_source_gives_the_same_answers(name, installed, process, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from deterministic import fill, tensor

    done = process("build", name, "--backend", "numpy", "--out", "built", env=installed)
    assert done.returncode == 0, done.stderr
    net = archspec.load(name)
    channels = net.input_shape[0]
    model = fill(archspec.build(net, "torch"))
    images = tensor("images", (2, channels, 32, 32))
    folder = tmp_path / "built"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "w.safetensors")
    np.save(folder / "images.npy", images.numpy())
    subprocess.run([sys.executable, "-c", LOGITS], cwd=folder, check=True)
    with torch.inference_mode():
        np.testing.assert_allclose(np.load(folder / "logits.npy"), model(images).numpy(), rtol=1e-9, atol=1e-9)


def test_what_it_lacks_is_said_before_anything_is_written(installed, process, tmp_path):
    done = process("build", "cifar_highway", "--backend", "numpy", "--out", "built", env=installed)
    assert done.returncode == 1
    assert sorted(re.findall(r"has no `(\w+)`", done.stderr)) == ["mul", "scale", "sigmoid"]
    assert not (tmp_path / "built").exists()


def test_what_it_does_not_offer_is_said(installed, process):
    done = process("train", "digits_resnet", "--backend", "numpy", env=installed)
    assert done.returncode == 1
    assert "does not train" in done.stderr

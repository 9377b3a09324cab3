"""What can be said of a model is written with holes for the rest, which `check` names."""

import pytest
import yaml

import archspec

torch = pytest.importorskip("torch")

NET = """
import torch
from torch import nn


class Odd(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return x + torch.erf(self.bn(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layers = nn.Sequential(Odd(4), Odd(4))
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.layers(torch.relu(self.stem(x)))
        x = torch.fft.fft2(x).real
        return self.fc(torch.cumsum(x, 1).mean((2, 3)))


class Whole(Net):
    def forward(self, x):
        return self.fc(torch.relu(self.stem(x)).mean((2, 3)))
"""


@pytest.fixture
def written(cli, tmp_path):
    """A model that a spec cannot say, imported in part."""
    (tmp_path / "net.py").write_text(NET)
    return cli("import", "net.py:Net", "--input", "3,8,8", "--partial", "--out", "net.yaml"), tmp_path


def test_blocks_and_steps_that_can_be_said_stand_around_holes(written, cli):
    done, folder = written
    assert done.exit_code == 1
    assert "net has 4 operations that a spec cannot say" in done.stderr, "also what follows the first of them"
    assert not (folder / "net.yaml").exists()
    spec = yaml.safe_load((folder / "net.partial.yaml").read_text())
    assert [reason.partition(":")[0] for reason in spec["holes"].values()] == [
        "aten.erf.default", "aten.fft_fft2.default", "aten.cumsum.default",
    ]  # fmt: skip
    assert "`layers.0`" in spec["holes"]["hole1"]
    assert "net.py:13" in spec["holes"]["hole1"]
    (block,) = spec["blocks"].values()
    assert block["body"][-1] == "hole1"
    assert block["merge"] == "add"
    assert spec["stem"][-2:] == ["hole2", "hole3"]
    checked = cli("check", "net.partial.yaml")
    assert checked.exit_code == 1
    assert checked.stdout.count("error[AS115]") == 3
    assert "`hole3` stands for what a spec has no words for: aten.cumsum.default" in checked.stdout
    assert "it stands here" in checked.stdout


def test_a_spec_whose_holes_are_filled_is_a_spec(written, mistakes):
    _, folder = written
    text = (folder / "net.partial.yaml").read_text()
    spec = yaml.safe_load(text.replace("hole1", "gelu").replace("hole2", "identity").replace("hole3", "sigmoid"))
    del spec["holes"]
    assert [row.op for row in archspec.load(spec).modules()].count("gelu") == 2


def test_a_model_that_can_be_said_is_imported_as_ever(cli, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    done = cli("import", "net.py:Whole", "--input", "3,8,8", "--partial", "--out", "net.yaml", "--force")
    assert (done.exit_code, "layers" in done.stderr) == (1, True), (
        "modules that nothing calls are no part of a spec"
    )
    assert not (tmp_path / "net.partial.yaml").exists()

"""The ResNets that torchvision has: its names, shapes, order and answers (the data is torchvision's own)."""

import json
from pathlib import Path

import pytest

import archspec

torch = pytest.importorskip("torch")
from deterministic import fill, tensor  # noqa: E402

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "torchvision_resnets.json").read_text())["nets"]


@pytest.mark.parametrize("name", REFERENCE)
def test_state_and_answers_are_torchvisions(name):
    model = fill(archspec.build(archspec.load(name), backend="torch"))
    state = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert list(state.items()) == list(REFERENCE[name]["state"].items())
    with torch.inference_mode():
        logits = model(tensor("images", (2, 3, 64, 64)))
    expected = torch.tensor(REFERENCE[name]["logits"], dtype=torch.float64)
    torch.testing.assert_close(logits[:, :10], expected, rtol=1e-5, atol=1e-5)
    assert logits.norm().item() == pytest.approx(REFERENCE[name]["norm"], rel=1e-5)

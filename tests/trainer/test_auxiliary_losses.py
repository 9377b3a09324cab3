"""Nets of several outputs, as with auxiliary heads: the losses of all are summed with their weights, and recorded."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec_runtime.record.folder import read_metrics
from runs import CPU, said, weights

pytest.importorskip("torch")

HELPED = """archspec: 1
name: helped
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3, stride: 2}}}, {bn1: batch_norm}, {relu: relu}]
head:
  - {conv2: {conv: {out: 8, kernel: 3}}}
  - global_avg_pool
  - {fc: {linear: {out: classes}}}
  - {side: {auxiliary: {}}, from: relu}
outputs: {aux: {value: side, loss_weight: 0.25, train_only: true}, out: fc}
blocks: {auxiliary: {chain: [global_avg_pool, {linear: {out: 10}}]}}
train:
  data: {dataset: digits, holdout: 803, augment: [hflip], normalize: per_channel, mix: {mixup: 1}}
  batch_size: 64
  steps: 9
  optimizer: {sgd: {momentum: 0.9}}
  lr: 0.05
  accumulate: 2
  label_smoothing: 0.1
  precision: fp64
"""


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The spec and weights to start from, the same for every backend."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("helped")
    (folder / "helped.yaml").write_text(HELPED)
    save_file(archspec.build(archspec.load(folder / "helped.yaml"), "torch").state_dict(), folder / "w.safetensors")
    return folder


def run(cli, begun, out, *words):
    result = cli("train", begun / "helped.yaml", "--weights", begun / "w.safetensors", "--out", out, *CPU, *words)
    assert result.exit_code == 0, result.output
    return [row for row in read_metrics(Path(out)) if row["kind"] == "train"]


def test_both_backends_sum_the_losses_and_come_to_the_same_weights(cli, begun):
    pytest.importorskip("flax")
    (one,), (other,) = (run(cli, begun, b, "--backend", b) for b in ("torch", "flax"))
    for row in (one, other):
        assert row["loss"] == pytest.approx(row["loss.out"] + 0.25 * row["loss.aux"])
    for key in ("loss", "loss.out", "loss.aux", "train_error"):
        assert one[key] == pytest.approx(other[key], rel=1e-9), key
    for name, tensor in weights(Path("torch")).items():
        np.testing.assert_allclose(weights(Path("flax"))[name], tensor, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_first_output_of_inference_is_measured_and_predicted(cli, begun, tmp_path):
    from PIL import Image

    run(cli, begun, "run")
    measured = [row for row in read_metrics(tmp_path / "run") if row.get("split") == "test"][-1]
    assert f"top-1 error {measured['top1_error']:.2f}%" in cli("eval", "run", "--device", "cpu").stdout
    Image.new("L", (8, 8), 90).save(tmp_path / "grey.png")
    assert cli("predict", "run", "grey.png", "--device", "cpu").exit_code == 0
    alone = [sys.executable, "run/code/train.py", "eval", "--out", "run", "--device", "cpu", "--threads", "1"]
    done = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert f"top-1 error {measured['top1_error']:.2f}%" in done.stdout, done.stderr
    assert '0.25 * losses["aux"]' in (tmp_path / "run" / "code" / "train.py").read_text()


def test_a_dry_run_says_the_sum_and_counts_the_heads(cli, begun):
    shown = cli("train", begun / "helped.yaml", "--dry-run").stdout
    assert "  # the loss is that of out + 0.25 x aux\n" in shown
    net = archspec.load(begun / "helped.yaml")
    facts = json.loads(archspec.emit(net, "torch")["net.json"])
    assert facts["macs"] == net.cost.macs + 8 * 10, "training computes the head as well"


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("net", ["googlenet", "inception_v3"])
def test_nets_of_the_zoo_with_auxiliary_heads_are_trained_with_their_papers_weights(net, backend):
    pytest.importorskip(backend)
    source = archspec.emit(archspec.load(net, set={"train.recipe": "imagenet_resnet"}), backend)["train.py"]
    summed = {
        "googlenet": 'loss = losses["logits"] + 0.3 * losses["aux2"] + 0.3 * losses["aux1"]\n',
        "inception_v3": 'loss = losses["logits"] + 0.4 * losses["aux"]\n',
    }
    assert summed[net] in source


def test_outputs_that_are_no_scores_of_classes_are_refused(cli):
    error = said(cli("train", "resnet50_fpn", "--set", "train.recipe=imagenet_resnet", "--set", "classes=10"), 1)
    assert "training sums the losses of such scores" in error

"""Weights that start from training images, and evaluations of an image and its mirror image, in both trainers."""

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

import archspec
from archspec_cli.main import app
from archspec_runtime.data.digits import read_digits
from archspec_runtime.recipe.recipe import Data
from runs import CPU, newest

torch = pytest.importorskip("torch")

NET = """archspec: 1
name: whitened
input: {channels: 1, size: 8}
classes: 10
stem:
  - {whiten: {conv: {out: 8, kernel: 2, padding: 0}}, init: {weight: whitening}}
  - relu
  - {conv: {conv: {out: 8, kernel: 3, stride: 2}}}
  - act: relu
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data:
    dataset: digits
    augment: [{pad_crop: {padding: 1, mode: reflect}}, {hflip: {alternating: true}}]
    normalize: per_channel
  batch_size: 64
  steps: 6
  freeze: [whiten.weight]
  eval_hflip: true
"""


@pytest.fixture(scope="module", params=["torch", "flax"])
def run(request, tmp_path_factory):
    """A short run: its backend, its folder, and what it said."""
    pytest.importorskip(request.param)
    folder = tmp_path_factory.mktemp("whitened")
    (folder / "net.yaml").write_text(NET)
    words = ["train", folder / "net.yaml", "--backend", request.param, "--out", folder / "run", *CPU]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return request.param, folder / "run", done.output


def weights(folder):
    return load_file(newest(folder) / "weights.safetensors")


def pixels(split, mean_of):
    """The digits of a split as the net sees them (N, 1, 8, 8)."""
    images, others = (one.images.astype(np.float32) / np.float32(255) for one in (split, mean_of))
    return (images - others.mean()) / others.std()


def test_filters_whiten_the_patches_of_training_images(run):
    _, folder, output = run
    assert "whiten.weight started from training images" in output
    raw = read_digits(None, (1, 8, 8), 10, Data())
    filters = weights(folder)["whiten.weight"].reshape(8, 4)
    assert np.array_equal(filters[:4], -filters[4:])
    windows = np.lib.stride_tricks.sliding_window_view(pixels(raw.train, raw.train)[:, 0], (2, 2), axis=(1, 2))
    through = windows.reshape(-1, 4) @ filters[:4].T
    assert np.allclose(through.T @ through / len(through), np.eye(4), atol=0.02)


def test_a_build_says_which_weights_only_a_trainer_starts(cli, tmp_path):
    (tmp_path / "net.yaml").write_text(NET)
    built = cli("build", "net.yaml", "--out", "built")
    assert "whiten.weight: starts from training images, when train.py runs" in built.output
    assert "def start(images: Tensor) -> dict[str, Tensor]:" in (tmp_path / "built" / "train.py").read_text()


def test_both_frameworks_start_from_the_same_filters(tmp_path):
    flax = pytest.importorskip("archspec_flax.trainer.whitening")
    from archspec_torch.trainer.whitening import whitening_filters

    images = np.random.default_rng(0).normal(size=(700, 3, 7, 6)).astype(np.float32) + 0.5
    one = whitening_filters(torch.from_numpy(images), (2, 3)).numpy()
    other = flax.whitening_filters(images.transpose(0, 2, 3, 1), (2, 3))
    same = np.minimum(abs(one - other).max((1, 2, 3)), abs(one + other).max((1, 2, 3)))  # each has both signs
    assert one.shape == other.shape == (36, 3, 2, 3)
    assert same.max() < 1e-4


def test_a_run_that_goes_on_or_has_weights_keeps_those(run, cli):
    backend, folder, _ = run
    words = ("--backend", backend, *CPU)
    resumed = cli("train", folder, "--resume", "--steps", 8, "--override", *CPU)
    assert resumed.exit_code == 0, resumed.output
    assert "started from training images" not in resumed.output
    begun = cli("train", folder.parent / "net.yaml", "--weights", folder, "--out", "again", "--steps", 1, *words)
    assert begun.exit_code == 0, begun.output
    assert "started from training images" not in begun.output


def test_an_evaluation_averages_an_image_and_its_mirror_image(run, cli):
    _, folder, _ = run
    raw = read_digits(None, (1, 8, 8), 10, Data())
    given = torch.from_numpy(pixels(raw.test, raw.train))
    model = archspec.build(archspec.load(folder.parent / "net.yaml"), backend="torch").eval()
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights(folder).items()})
    with torch.no_grad():
        logits = (model(given) + model(given.flip(3))) / 2
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(raw.test.labels)).item()
    measured = cli("eval", folder, "--device", "cpu")
    assert f"loss {loss:.4f}" in measured.output

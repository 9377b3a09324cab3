"""Trained nets measured as the paper does: ten crops, whole images at several sizes, the responses of layers."""

import json
import re
import shutil
import tarfile
import tempfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import archspec
from archspec.analysis.response_layers import responding_layers
from archspec.backends import find_backend
from archspec_cli.main import app
from archspec_runtime.measure.evaluation import open_run
from archspec_runtime.measure.responses import measure_responses
from conftest import SHARED

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

CPU = ("--device", "cpu", "--threads", "1")
NET = """archspec: 1
name: small
input: {channels: 3, size: 48}
classes: 2
shortcut: projection
stem: [{conv1: {conv: {out: 8, kernel: 3, stride: 2}}}, {bn1: norm}, act]
stages: [{name: layer1, block: basic, repeat: 1, width: 8, stride: 2}]
head: HEAD
train:
  data: {dataset: image_folder, augment: [{resize_shorter: [48, 60]}, random_crop, hflip], normalize: NORMALIZE, eval_resize: 56}
  batch_size: 8
  steps: 2
  optimizer: {sgd: {momentum: 0.9}}
  lr: [{value: 0.05}]
"""
POOLED, FLAT = ("[global_avg_pool, {fc: {linear: {out: classes}}}]", "[flatten, {fc: {linear: {out: classes}}}]")


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two classes of photographs of many shapes: 16 to train on and 12 to measure."""
    archive = SHARED / "imagenet-sample.tar"
    if not archive.exists():
        pytest.skip("the sample of ImageNet is not on this machine")
    root = tmp_path_factory.mktemp("photographs")
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.lower().endswith((".jpeg", ".jpg"))]
        for index, member in enumerate(members[:56:2]):
            split = "train" if index < 16 else "val"
            target = root / split / f"class{index % 2}" / f"{index}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(tar.extractfile(member)) as image:
                image.thumbnail((160, 160))
                image.convert("RGB").save(target)
    return root


@pytest.fixture(scope="module")
def trained(photographs, tmp_path_factory):
    """A run of each kind of net, trained for two steps."""
    folder = tmp_path_factory.mktemp("runs")

    def train(name, head, normalize):
        spec = folder / f"{name}.yaml"
        spec.write_text(NET.replace("HEAD", head).replace("NORMALIZE", normalize))
        run("train", spec, "--data", photographs, "--out", folder / name, "--compile", "off", *CPU)
        return folder / name

    return {"pooled": train("pooled", POOLED, "per_pixel_mean"), "flat": train("flat", FLAT, "per_channel")}


def measured(result):
    return {k: float(v) for k, v in re.findall(r"(loss|top-1 error) ([\d.]+)", result.output)}


def by_hand(run_folder, photographs, views):
    """Loss and error of the mean of the probabilities for views of each image, computed without the runtime's evaluation."""
    from archspec_torch.trainer import Torch

    trained = open_run(Torch(), run_folder)
    model = trained.make_model()
    model.load_state_dict(load_file(trained.weights))
    model.eval()
    losses, wrong, mean = [], 0, trained.normalization.mean
    for path in sorted((photographs / "val").rglob("*.jpg")):
        label = int(path.parent.name[-1])
        scores = torch.zeros(2, dtype=torch.float64)
        seen = views(Image.open(path))
        for image in seen:
            pixels = np.asarray(image, np.float32).transpose(2, 0, 1) / 255
            taken = mean if pixels.shape == mean.shape else mean.mean((1, 2), keepdims=True)
            with torch.no_grad():
                scores += F.softmax(model(torch.from_numpy(pixels - taken)[None])[0].double(), 0) / len(seen)
        losses.append(-scores[label].log().item())
        wrong += int(scores.argmax() != label)
    return {"loss": float(np.mean(losses)), "top-1 error": 100 * wrong / len(losses)}


def shorter(image, side):
    short = min(image.size)
    return image.resize(tuple(side * edge // short for edge in image.size), Image.BILINEAR)


def ten(image):
    image = shorter(image, 56)
    right, bottom = image.width - 48, image.height - 48
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), (round(right / 2), round(bottom / 2))]
    crops = [image.crop((x, y, x + 48, y + 48)) for x, y in corners]
    return crops + [crop.transpose(Image.FLIP_LEFT_RIGHT) for crop in crops]


def whole(image):
    return [shorter(image, side) for side in (40, 64)]


def mirrored(image):
    centre = ten(image)[4]
    return [centre, centre.transpose(Image.FLIP_LEFT_RIGHT)]


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize(
    ("options", "views"),
    [(["--crops", 10], ten), (["--scales", "40,64"], whole), (["--mirror"], mirrored)],
    ids=["crops", "scales", "mirror"],
)
def test_views_of_an_image_are_averaged_as_one_does_by_hand(backend, options, views, trained, photographs):
    pytest.importorskip(backend)
    result = run("eval", trained["pooled"], *options, "--device", "cpu", "--backend", backend)
    expected = by_hand(trained["pooled"], photographs, views)
    assert measured(result) == pytest.approx(expected, abs=6e-5 if backend == "torch" else 2e-4)
    assert "12 images" in result.output


def test_one_crop_is_what_training_measures(trained):
    rows = [json.loads(line) for line in (trained["pooled"] / "metrics.jsonl").read_text().splitlines()]
    last = [row for row in rows if row["kind"] == "eval"][-1]
    assert measured(run("eval", trained["pooled"], "--device", "cpu"))["loss"] == pytest.approx(
        last["loss"], abs=1e-4
    )


def test_a_net_with_a_flat_head_is_refused_at_other_sizes_before_anything_runs(trained):
    result = run("eval", trained["flat"], "--scales", "48,64", "--data", "/nowhere", code=1)
    assert "AS703" in result.output
    assert "`fc` ties the net to images of 3x48x48: for 64x64" in result.output
    assert "nowhere" not in result.output
    run("eval", trained["flat"], "--crops", 10, "--device", "cpu")


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--crops", 5], "1 and 10"), (["--crops", 10, "--scales", 64], "give one"), (["--scales", "64,64"], "twice"),
     (["--scales", "big"], "--scales 224"), (["--scales", "100000"], "sides go"), (["--crops", 10, "--mirror"], "leave")],
)  # fmt: skip
def test_views_that_make_no_sense_are_misuse(options, word, trained):
    assert word in run("eval", trained["pooled"], *options, code=2).output


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A plain and a residual net on the digits, trained for a few steps."""
    folder = tmp_path_factory.mktemp("digits")
    for name in ("plain8", "resnet8"):
        run("train", f"digits_resnet:{name}", "--out", folder / name, "--steps", 12, "--compile", "off", *CPU)
    return folder


def test_a_run_of_another_backend_is_measured_without_a_file_that_could_be_left_behind(
    digits, tmp_path, monkeypatch
):
    pytest.importorskip("flax")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run("eval", digits / "resnet8", "--backend", "flax", "--device", "cpu")
    assert not list(tmp_path.iterdir())


def test_crops_of_images_of_the_nets_own_size_are_refused(digits):
    assert "one view is all there is" in run("eval", digits / "resnet8", "--crops", 10, code=2).output


# --- responses -----------------------------------------------------------------------------------------


def test_the_layers_are_batch_normalizations_after_3x3_convolutions():
    names = responding_layers(archspec.load("cifar_resnet:resnet20"))
    assert names == ["bn1"] + [f"layer{s}.{b}.bn{c}" for s in (1, 2, 3) for b in range(3) for c in (1, 2)]
    bottlenecks = responding_layers(archspec.load("resnet50"))
    assert len(bottlenecks) == 16, "the 3x3 of each bottleneck; not the stem's 7x7, nor projections"
    assert all(name.endswith(".bn2") for name in bottlenecks)


def test_both_backends_measure_the_same_responses_for_the_same_weights(digits):
    pytest.importorskip("flax")
    layers = responding_layers(archspec.load("digits_resnet:resnet8"))
    one, other = (find_backend(name).responses(digits / "resnet8", layers, "test", None, "cpu", None)
                  for name in ("torch", "flax"))  # fmt: skip
    assert len(one) == 7
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_blocks_that_are_compiled_once_respond_each_for_itself(tmp_path):
    pytest.importorskip("flax")
    net, out = "digits_resnet:resnet8", tmp_path / "many"
    run("train", net, "--set", "stages.layer2.repeat=9", "--steps", 1, "--out", out, *CPU)
    layers = [f"layer2.{block}.bn{c}" for block in range(9) for c in (1, 2)]
    one, other = (find_backend(name).responses(out, layers, "test", None, "cpu", 20) for name in ("torch", "flax"))
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_responses_are_the_deviations_of_what_the_layers_give(digits):
    from archspec_torch.trainer import Torch

    run_ = open_run(Torch(), digits / "resnet8")
    model = run_.make_model()
    model.load_state_dict(load_file(run_.weights))
    model.eval()
    images = torch.from_numpy(run_.normalization.apply(run_.images(None, "test").test.images))
    with torch.no_grad():
        first = model.bn1(model.conv1(images))
        block = model.layer1[0]
        second = block.bn1(block.conv1(F.relu(first)))
    found = measure_responses(Torch(), digits / "resnet8", ["bn1", "layer1.0.bn1"], device="cpu")
    assert found == pytest.approx([layer.double().std(correction=0).item() for layer in (first, second)], rel=1e-6)


def test_a_run_that_may_not_be_written_to_is_measured_all_the_same(digits, tmp_path):
    shutil.copytree(digits / "resnet8", tmp_path / "run")
    (tmp_path / "run" / "responses.json").unlink(missing_ok=True)
    (tmp_path / "run" / "responses.json").mkdir()  # which no file takes the place of, whoever asks
    result = run("responses", tmp_path / "run", "--images", 10, "--device", "cpu")
    assert "what was measured is not kept" in result.stderr
    assert "free some space" not in result.stderr


def test_the_command_compares_runs_keeps_what_it_measured_and_draws_it(digits, tmp_path):
    runs = (digits / "plain8", digits / "resnet8")
    table = run("responses", *runs, "--images", 50, "--device", "cpu", "--out", tmp_path / "figure.png").output
    assert re.search(r"^digits-plain-8 +7 +[\d.]+ +[\d.]+ +[\d.]+$", table, re.MULTILINE)
    assert "layer3.0.bn2" in table
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(run("responses", *runs, "--device", "cpu", "--format", "json").stdout)
    assert [one["net"] for one in found] == ["digits-plain-8", "digits-resnet-8"]
    assert found[1] == json.loads((digits / "resnet8" / "responses.json").read_text())
    assert all(0 < d < 10 for one in found for d in one["deviations"])
    assert "neither .png nor .svg" in run("responses", *runs, "--out", "figure.gif", code=2).output
    assert "not the folder of a run" in run("responses", tmp_path, code=1).output

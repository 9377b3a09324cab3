"""The trainers of both backends: the same pixels, the same losses, the same files."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec_runtime.recipe.augmentations import Mix, RandAugment, RandomErasing, TrivialAugment
from archspec_runtime.recipe.images import Data, HFlip, PadCrop, Step
from archspec_runtime.recipe.recipe import Phase
from archspec_runtime.recipe.vocabulary import BCE, EMA, LAMB, SGD, AdamW
from archspec_runtime.schedule.phases import Schedule
from settings_of_runs import MANY, MOVED, setting
from trainers import FlaxRun, TorchRun, of_recipe, training

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")


@pytest.mark.parametrize("normalize", ["none", "per_pixel_mean", "per_channel"])
@pytest.mark.parametrize(
    "augment",
    [
        (),
        MOVED,
        (PadCrop(2, "reflect"), HFlip(alternating=True)),
        (*MOVED, RandomErasing(0.7)),
        (TrivialAugment(), HFlip()),
    ],
    ids=["still", "moved", "reflected", "erased", "singly"],
)
def test_both_see_the_same_pixels_bit_for_bit(normalize, augment):
    from archspec_flax.trainer.images import batch_of, pick, store
    from archspec_torch.trainer.images import Images

    _, _, dataset, normalization, batches = setting(Data(dataset="digits", augment=augment, normalize=normalize))
    theirs = Images(dataset.train, normalization, torch.device("cpu"), torch.float32)
    data = store(dataset.train, normalization, jax.devices("cpu")[0])
    padding = sum(getattr(a, "padding", 0) for a in augment)
    mode = next((a.mode for a in augment if isinstance(a, PadCrop)), "zeros")
    one = jax.jit(lambda data, picked: batch_of(data, picked, padding, np.float32, mode))
    for step in (0, 10, 11):
        batch = next(batches.run(step, step + 1))
        images, labels = theirs.batch(batch)
        ours, same = one(data, pick(batch))
        np.testing.assert_array_equal(np.asarray(ours).transpose(0, 3, 1, 2), images.numpy())
        np.testing.assert_array_equal(same, labels.numpy())


@pytest.mark.parametrize(("mix", "tolerance"), [(Mix(cutmix=1.0), 0), (Mix(mixup=0.5), 1e-6)], ids=["cut", "added"])
def test_both_mix_alike(mix, tolerance):
    from archspec_flax.trainer import mixing as theirs
    from archspec_torch.trainer.mixing import mix_images

    *_, dataset, normalization, batches = setting(Data(dataset="digits", mix=mix), label_smoothing=0.1)
    recipe = {"data": Data(dataset="digits", mix=mix), "label_smoothing": 0.1}
    steps = {backend: of_recipe(backend, **recipe).train_step for backend in ("torch", "flax")}
    for step in (0, 5):
        batch = batches.at(step)
        images = normalization.apply(dataset.train.images[batch.indices])
        expected = batch.mixed.apply(images)
        assert not np.array_equal(expected, images)
        shares = theirs.Mixed.of(batch.mixed, np.float32)
        one = mix_images(torch.from_numpy(images), batch.mixed).numpy()
        other = np.asarray(theirs.mix_images(images.transpose(0, 2, 3, 1), shares)).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(one, expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(other, expected, rtol=0, atol=tolerance)
        run = TorchRun(torch.zeros(len(batch.labels), 10))
        steps["torch"](run, torch.from_numpy(images), torch.from_numpy(batch.labels), batch.mixed)
        one = run.targets.numpy()
        run = FlaxRun(np.zeros((len(batch.labels), 10), np.float32))
        run.take(steps["flax"], jax.numpy.asarray(images.transpose(0, 2, 3, 1)), batch.labels, shares)
        np.testing.assert_allclose(run.targets, one, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(one.sum(1), 1, rtol=1e-6)


WARM = (Phase(0.01, until=(Step(5),), end=0.1, shape="linear"), Phase(0.1, until=(Step(12),)), Phase(0.01))
COSINE = (Phase(1e-4, until=(Step(5),), end=0.02, shape="linear"), Phase(0.02, end=0, shape="cosine"))
MIXED = Data(
    dataset="digits", augment=(*MOVED, RandomErasing()), mix=Mix(mixup=0.2, cutmix=1.0, probability=0.8), repeats=3
)
RECIPES = {
    "nesterov, no decay of norms": {
        "optimizer": SGD(momentum=0.9, weight_decay=0.1, nesterov=True, decay_norm_and_bias=False), "lr": WARM,
    },
    "adamw, averaged, accumulated, mixed": {
        "optimizer": AdamW(weight_decay=0.05), "lr": WARM, "accumulate": 2, "clip_norm": 0.5,
        "ema": EMA(0.9, every=2, after=Step(6)), "label_smoothing": 0.1,
        "data": Data(dataset="digits", augment=(RandAugment(form="timm", std=0.5), HFlip()), mix=Mix(mixup=0.2)),
    },
    "lamb, bce, mixed": {
        "optimizer": LAMB(weight_decay=0.02, decay_norm_and_bias=False, always_adapt=False), "lr": COSINE, "data": MIXED,
        "loss": BCE(threshold=0.2), "clip_norm": 1.0, "ema": EMA(0.99, power=0.67), "net": MANY,
    },
}  # fmt: skip
ONE = {"stages": [{"name": "layer1", "block": "basic", "repeat": 1, "width": 16}]}
"""One block, since compiling the net takes most of the time, and it is the trainers that are compared."""


@pytest.mark.usefixtures("drawn_quickly")  # the weights are those of PyTorch
@pytest.mark.parametrize(
    ("name", "steps_a_dispatch"),
    [
        ("nesterov, no decay of norms", 1),
        ("adamw, averaged, accumulated, mixed", 1),
        pytest.param("lamb, bce, mixed", 4, marks=pytest.mark.long),  # compiling its net takes as long as the rest
    ],
)
def test_losses_agree_step_by_step(name, steps_a_dispatch, tmp_path):
    from archspec_flax.trainer.stepper import FlaxStepper
    from archspec_torch.trainer.stepper import TorchStepper

    recipe = {"net": ONE, **RECIPES[name]}
    net, job, dataset, normalization, batches = setting(precision="fp64", steps=20, batch_size=32, **recipe)
    models = {backend: type(archspec.build(net, backend)) for backend in ("torch", "flax")}
    first = TorchStepper(
        models["torch"], training("torch", net, job), job, dataset, normalization, torch.device("cpu"), False
    )
    stated = training("flax", net, job)
    second = FlaxStepper(
        models["flax"], stated, job, dataset, normalization, jax.devices("cpu")[0], steps_a_dispatch
    )
    for file, content in first.snapshot().files().items():
        (tmp_path / file).write_bytes(content)
    second.start_from(tmp_path / "weights.safetensors", second.tensors())
    schedule = Schedule(job.recipe.lr, 20, batches.per_epoch)
    for step, batch in enumerate(batches.run(0, 20)):
        for stepper in (first, second):
            stepper.step(batch, schedule.lr(step), step)
        schedule.after_step(step + 1, {})
        (one,), (other,) = first.drain(), second.drain()
        assert other.loss == pytest.approx(one.loss, abs=1e-9)
        assert other.errors == one.errors
    one, other = first.evaluate("test"), second.evaluate("test")
    assert other.loss == pytest.approx(one.loss, abs=1e-6)
    assert (other.top1_error, other.top5_error, other.samples) == (one.top1_error, one.top5_error, one.samples)


SMALL = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3}}}, {bn1: batch_norm}, {relu: relu}, {d: {dropout: {rate: 0.2}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, augment: [trivial_augment, hflip, random_erasing], repeats: 2, mix: {mixup: 1, cutmix: 1}}
  batch_size: 32
  steps: 20
  optimizer: {lamb: {weight_decay: 0.1}}
  loss: bce
  accumulate: 2
  clip_norm: 1.0
  ema: {decay: 0.9, every: 3, after: step 9}
  precision: fp16
  lr: [{linear: {from: 1e-4, to: 0.01}, until: step 8}, {cosine: {from: 0.01, to: 0}}]
"""


def test_a_resumed_flax_run_ends_bit_for_bit_as_one_that_was_not_stopped(cli, tmp_path):
    """With the scale of half precision, which is with the optimizer's state."""
    (tmp_path / "small.yaml").write_text(SMALL)
    given = ("train", tmp_path / "small.yaml", "--backend", "flax", "--device", "cpu", "--checkpoint-every", 10)
    assert cli(*given, "--out", tmp_path / "straight").exit_code == 0
    shutil.copytree(tmp_path / "straight", tmp_path / "cut")
    last = Path("checkpoints") / "step-00000020"
    shutil.rmtree(tmp_path / "cut" / last)
    assert cli(*given, "--out", tmp_path / "cut", "--resume").exit_code == 0
    for name in ("weights", "average", "optimizer"):
        one, other = ((tmp_path / run / last / f"{name}.safetensors").read_bytes() for run in ("straight", "cut"))
        assert one == other, name

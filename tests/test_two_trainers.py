"""The trainers of both backends: the same pixels, the same losses, the same files."""

from dataclasses import replace

import numpy as np
import pytest

import archspec
from archspec_runtime.batches import Batches
from archspec_runtime.datasets import open_dataset
from archspec_runtime.normalize import measure
from archspec_runtime.recipe import SGD, AdamW, Data, HFlip, PadCrop, Phase, Recipe, Step
from archspec_runtime.schedule import Schedule

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")

MOVED = (PadCrop(1), HFlip())


@pytest.fixture
def double():
    """JAX in double precision, and back: the trainer allows it for the whole process."""
    before = jax.config.jax_enable_x64
    yield
    jax.config.update("jax_enable_x64", before)


def setting(data=None, **changes):
    """A small net with its images and batches under a changed recipe."""
    net = archspec.load("digits_resnet:resnet8")
    recipe = replace(Recipe.from_dict(net.recipe), data=data or Data(dataset="digits", augment=MOVED), **changes)
    from archspec_torch.emit.folder import make_job

    job = replace(make_job(net), recipe=recipe)
    dataset = open_dataset(recipe.data, None, input_shape=job.input_shape, classes=10, seed=0)
    normalization = measure(recipe.data.normalize, dataset.train, job.input_shape)
    batches = Batches(dataset.train, recipe.data, recipe.batch_size, 0, job.input_shape, normalization)
    return net, job, dataset, normalization, batches


@pytest.mark.parametrize("normalize", ["none", "per_pixel_mean", "per_channel"])
@pytest.mark.parametrize("augment", [(), MOVED], ids=["still", "moved"])
def test_both_see_the_same_pixels_bit_for_bit(normalize, augment):
    from archspec_flax.trainer.images import batch_of, pick, store
    from archspec_torch.trainer.images import Images

    _, _, dataset, normalization, batches = setting(Data(dataset="digits", augment=augment, normalize=normalize))
    theirs = Images(dataset.train, normalization, torch.device("cpu"), torch.float32)
    data = store(dataset.train, normalization, jax.devices("cpu")[0])
    padding = sum(getattr(a, "padding", 0) for a in augment)
    one = jax.jit(lambda data, picked: batch_of(data, picked, padding, np.float32))
    for step in (0, 10, 11):
        batch = batches.at(step)
        images, labels = theirs.batch(batch)
        ours, same = one(data, pick(batch))
        np.testing.assert_array_equal(np.asarray(ours).transpose(0, 3, 1, 2), images.numpy())
        np.testing.assert_array_equal(same, labels.numpy())


WARM = (Phase(0.01, until=(Step(5),), end=0.1, shape="linear"), Phase(0.1, until=(Step(12),)), Phase(0.01))
RECIPES = {
    "sgd": {"optimizer": SGD(momentum=0.9, weight_decay=1e-4)},
    "nesterov, no decay of norms": {"optimizer": SGD(momentum=0.9, weight_decay=0.1, nesterov=True, decay_norm_and_bias=False)},
    "adamw": {"optimizer": AdamW(weight_decay=0.05)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "steps_a_dispatch"), list(zip(RECIPES, (1, 4, 1), strict=True)))
def test_losses_agree_step_by_step(name, steps_a_dispatch, tmp_path, double):
    from archspec_flax.trainer.stepper import FlaxStepper
    from archspec_torch.trainer.stepper import TorchStepper

    net, job, dataset, normalization, batches = setting(precision="fp64", lr=WARM, steps=20, **RECIPES[name])
    models = {backend: type(archspec.build(net, backend)) for backend in ("torch", "flax")}
    first = TorchStepper(models["torch"], job, dataset, normalization, torch.device("cpu"), False)
    second = FlaxStepper(models["flax"], job, dataset, normalization, jax.devices("cpu")[0], steps_a_dispatch)
    first.save(tmp_path)
    second.start_from(tmp_path / "weights.safetensors")
    schedule = Schedule(job.recipe.lr, 20, batches.per_epoch)
    for step in range(20):
        for stepper in (first, second):
            stepper.step(batches.at(step), schedule.lr(step), step)
        schedule.after_step(step + 1, {})
        one, other = first.drain(), second.drain()
        assert other.loss == pytest.approx(one.loss, abs=1e-9)
        assert (other.errors, other.samples) == (one.errors, one.samples)
    one, other = first.evaluate("test"), second.evaluate("test")
    assert other.loss == pytest.approx(one.loss, abs=1e-6)
    assert (other.top1_error, other.top5_error, other.samples) == (one.top1_error, one.top5_error, one.samples)

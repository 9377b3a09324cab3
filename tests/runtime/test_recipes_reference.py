"""What torchvision and timm do to images, targets and gradients, as `bench/recipes_reference.py` wrote it down, we do too."""

import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archspec
from archspec_runtime.augment import pillow_ops
from archspec_runtime.augment.erasing import erased_boxes
from archspec_runtime.augment.mixing import Mixed, cut, draw_mix
from archspec_runtime.augment.single import resized_crop
from archspec_runtime.images import resampling
from archspec_runtime.images.decoding import Photo
from archspec_runtime.images.geometry import Window
from archspec_runtime.images.pillow import centre
from archspec_runtime.recipe.augmentations import Mix, RandAugment, RandomErasing, RandomResizedCrop, TrivialAugment
from archspec_runtime.recipe.images import Data
from archspec_runtime.recipe.vocabulary import BCE, EMA, LAMB
from archspec_runtime.schedule.averaging import kept
from trainers import FlaxRun, TorchRun, of_recipe

REFERENCE = dict(np.load(Path(__file__).parents[1] / "data" / "recipes_reference.npz"))
IMAGE = Image.fromarray(REFERENCE["image"])
NAMES = {"AutoContrast": "autocontrast", "TranslateXRel": "translate_x", "TranslateYRel": "translate_y"}


def ours(name):
    """The name of a reference's operation in the runtime."""
    return NAMES.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Increasing")).lower()


@pytest.mark.parametrize("key", [k for k in REFERENCE if k.startswith("torchvision/")])
def test_every_operation_of_torchvision_gives_the_same_pixels(key):
    _, name, wide, level, sign, how = key.split("/")
    strength = pillow_ops.torchvision_strength(ours(name), int(level), 31, IMAGE.size, wide == "True")
    strength *= -int(sign) if name.startswith("Translate") else int(sign)  # its translations go the other way
    made = pillow_ops.OPERATIONS[ours(name)](IMAGE, strength, resampling.FILTERS[how], None)
    # its strengths are in single precision: a blend may be rounded to the neighbouring level
    np.testing.assert_allclose(
        np.asarray(made, int), REFERENCE[key], rtol=0, atol=int("bilinear" in key or "Bright" in key)
    )


@pytest.mark.parametrize("key", [k for k in REFERENCE if k.startswith("timm/")])
def test_every_operation_of_timm_gives_the_same_pixels(key):
    _, name, level, sign = key.split("/")
    strength = pillow_ops.timm_strength(ours(name), float(level), IMAGE.size)
    strength *= int(sign) if ours(name) in pillow_ops.SIGNED else 1
    made = pillow_ops.OPERATIONS[ours(name)](IMAGE, strength, resampling.FILTERS["bicubic"], pillow_ops.TIMM_FILL)
    np.testing.assert_array_equal(np.asarray(made), REFERENCE[key])


def test_the_lists_of_operations_are_the_references():
    for library, names in (("torchvision", pillow_ops.TORCHVISION), ("timm", pillow_ops.TIMM)):
        assert {ours(k.split("/")[1]) for k in REFERENCE if k.startswith(f"{library}/")} == set(names)
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("form", ["torchvision", "timm"])
def test_operations_are_drawn_evenly_with_both_signs_and_as_often_as_asked(form, monkeypatch):
    seen = []

    def note(name):
        def operation(image, strength, how, fill):
            seen.append((name, strength))
            return image

        return operation

    monkeypatch.setattr(pillow_ops, "OPERATIONS", {name: note(name) for name in pillow_ops.OPERATIONS})
    names = pillow_ops.TIMM if form == "timm" else pillow_ops.TORCHVISION
    step = RandAugment(form=form, std=0.5 if form == "timm" else 0, magnitude=7)
    random = np.random.default_rng(0)
    for _ in range(4_000):
        pillow_ops.rand_augment(IMAGE, step, random)
    expected = 8_000 / len(names) * (0.5 if form == "timm" else 1)
    counts = [sum(n == name for n, _ in seen) for name in names]
    assert np.abs(np.array(counts) - expected).max() < 4.5 * math.sqrt(expected)
    turned = np.array([s for n, s in seen if n == "rotate"])
    assert abs((turned > 0).mean() - 0.5) < 0.12
    assert np.abs(turned).mean() == pytest.approx(21 if form == "timm" else 7, rel=0.02)
    assert np.abs(turned).std() == pytest.approx(1.5 if form == "timm" else 0, rel=0.2, abs=1e-9)


def test_trivial_augment_draws_every_level(monkeypatch):
    seen = []
    monkeypatch.setitem(pillow_ops.OPERATIONS, "rotate", lambda image, s, how, fill: seen.append(abs(s)) or image)
    random = np.random.default_rng(0)
    for _ in range(8_000):
        pillow_ops.trivial_augment(IMAGE, TrivialAugment(), random)
    levels, counts = np.unique(np.round(np.array(seen) / 4.5), return_counts=True)
    assert list(levels) == list(range(31))
    assert counts.max() < 3 * counts.mean()


def quantiles(rows):
    return np.quantile(np.array(rows, float), np.linspace(0.05, 0.95, 19), axis=0)


def test_random_resized_crops_are_distributed_as_torchvisions():
    random = np.random.default_rng(0)
    boxes = [resized_crop((500, 375), RandomResizedCrop(), random) for _ in range(20_000)]
    found = quantiles([[w * h / 187_500, math.log(w / h), top, left] for left, top, w, h in boxes])
    assert (np.abs(found - REFERENCE["crops"]) < [0.02, 0.02, 7, 7]).all()
    assert all(0 <= left <= 500 - w and 0 <= top <= 375 - h for left, top, w, h in boxes)


@pytest.mark.parametrize("size", [(1, 1), (10, 1000), (1000, 10), (3, 2)])
def test_a_crop_of_any_image_lies_inside_it(size):
    random = np.random.default_rng(0)
    for _ in range(50):
        left, top, w, h = resized_crop(size, RandomResizedCrop(), random)
        assert min(left, top) >= 0 < min(w, h)
        assert (left + w <= size[0], top + h <= size[1]) == (True, True)


def test_erased_rectangles_are_distributed_as_torchvisions():
    boxes = erased_boxes((RandomErasing(1.0),), 0, 0, range(20_000), (224, 224))
    found = quantiles([[h * w / 50_176, math.log(h / w), top, left] for top, left, h, w in boxes])
    assert (np.abs(found - REFERENCE["erased"]) < [0.006, 0.04, 4, 4]).all()
    some = erased_boxes((RandomErasing(0.25),), 0, 0, range(20_000), (224, 224))
    assert (some[:, 2] > 0).mean() == pytest.approx(0.25, abs=0.01)


def test_what_is_erased_depends_on_the_position_alone():
    whole = erased_boxes((RandomErasing(),), 3, 2, range(100), (32, 32))
    np.testing.assert_array_equal(erased_boxes((RandomErasing(),), 3, 2, range(40, 60), (32, 32)), whole[40:60])
    assert not np.array_equal(erased_boxes((RandomErasing(),), 3, 3, range(100), (32, 32)), whole)


def test_mixup_is_torchvisions():
    found = Mixed(0.7).apply(REFERENCE["mix/images"])
    np.testing.assert_allclose(found, REFERENCE["mix/added"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_cuts_the_rectangle_that_torchvision_cuts(seed):
    share, across, down, left, top, right, bottom, adjusted = REFERENCE[f"cut/{seed}"]
    found = cut(share, (down + 0.5) / 12, (across + 0.5) / 10, (12, 10))
    assert found.box == (top, left, bottom - top, right - left)
    assert found.share == pytest.approx(adjusted, abs=1e-12)


def test_batches_are_mixed_as_often_and_as_much_as_by_timm():
    mix = Mix(mixup=0.2, cutmix=1.0, probability=0.7, switch=0.3)
    drawn = [draw_mix(mix, 0, 0, index, (224, 224)) for index in range(20_000)]
    mixed = [m for m in drawn if m is not None]
    cuts = [m for m in mixed if m.box is not None]
    often = np.array([len(mixed), len(cuts)]) / len(drawn)
    np.testing.assert_allclose(often, REFERENCE["timm_mix/often"], rtol=0, atol=0.015)
    added = quantiles([m.share for m in mixed if m.box is None])
    np.testing.assert_allclose(added, REFERENCE["timm_mix/added"], rtol=0, atol=0.05)
    found = quantiles([[m.share, *m.box] for m in cuts])
    assert (np.abs(found - REFERENCE["timm_mix/cut"]) < [0.03, 8, 8, 8, 8]).all()


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("form", ["added", "cut"])
def test_two_images_and_their_targets_are_mixed_as_by_timm(form, backend):
    share, *box = REFERENCE["timm_mix/pair/box"].tolist()
    mixed = Mixed(0.7) if form == "added" else Mixed(share, tuple(map(int, box)))
    images, targets = mixed_by(backend, mixed, REFERENCE["timm_mix/pair"], np.array([1, 3]))
    np.testing.assert_allclose(images, REFERENCE[f"timm_mix/pair/{form}"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(targets, REFERENCE[f"timm_mix/pair/{form}/targets"], rtol=1e-6, atol=1e-6)


def mixed_by(backend, mixed, images, labels):
    """Images (N, C, H, W) and smoothed targets of five classes."""
    if backend == "torch":
        torch = pytest.importorskip("torch")
        run = TorchRun(torch.zeros(len(labels), 5))
        stated = of_recipe("torch", classes=5, data=Data(dataset="digits", mix=Mix(mixup=0.5)), label_smoothing=0.1)
        stated.train_step(run, torch.from_numpy(images), torch.from_numpy(labels), mixed)
        return run.images.numpy(), run.targets.numpy()
    jnp = pytest.importorskip("jax").numpy
    from archspec_flax.trainer.mixing import Mixed as InArrays

    run = FlaxRun(np.zeros((len(labels), 5), np.float32))
    stated = of_recipe("flax", classes=5, data=Data(dataset="digits", mix=Mix(mixup=0.5)), label_smoothing=0.1)
    shares = InArrays.of(mixed, np.dtype(np.float32))
    run.take(stated.train_step, jnp.asarray(images.transpose(0, 2, 3, 1)), jnp.asarray(labels), shares)
    return np.asarray(run.images).transpose(0, 3, 1, 2), run.targets


def test_the_rectangle_of_timm_is_a_pixel_longer_where_its_side_is_odd():
    for side, theirs in enumerate(REFERENCE["timm_mix/boxes"].tolist()):
        top, left, height, width = cut(1 - ((side + 0.5) / 14) ** 2, 0.5, 0.5, (14, 14)).box
        assert [top, left, height + side % 2, width + side % 2] == theirs


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("key", [k for k in REFERENCE if re.fullmatch("depth/.*/.*", k)])
def test_branches_are_dropped_as_by_the_reference(key, backend, spec):
    """The same two values come out, equally often, of samples or, in mode `batch`, of all of a batch at once."""
    pytest.importorskip(backend)
    once = key.endswith("batch")
    drop = f"{{drop_path: {{rate: 0.25, per_batch: {str(once).lower()}}}}}"
    net = archspec.load(spec(f"input: {{channels: 1, size: 2}}\nclasses: 4\nstem: [{drop}]\nhead: [flatten]\n"))
    model, (calls, samples) = archspec.build(net, backend=backend), (600, 2) if once else (1, 6_000)
    model.train()
    *values, share = REFERENCE[key]
    passed = np.stack([np.asarray(model(batch_of_ones(backend, samples))) for _ in range(calls)])
    assert np.unique(passed).tolist() == pytest.approx(values, rel=1e-6)
    assert (passed > 0).mean() == pytest.approx(share, abs=0.07 if once else 0.025)
    assert bool((passed == passed[:, :1]).all()) == once


def batch_of_ones(backend, samples):
    """Images of 2x2 pixels, in the backend's layout."""
    if backend == "torch":
        import torch

        return torch.ones(samples, 1, 2, 2)
    import jax.numpy as jnp

    return jnp.ones((samples, 2, 2, 1))


def test_stochastic_depth_grows_as_in_timms_resnet50():
    net = archspec.load("resnet50", set={"drop_path": 0.05})
    rates = [row.attributes["rate"] for row in net.modules() if row.op == "drop_path"]
    assert [0.0, *rates] == pytest.approx(REFERENCE["depth/rates"].tolist(), abs=1e-12)


@pytest.mark.parametrize("key", [k for k in REFERENCE if k.startswith("seen/")])
def test_evaluation_sees_the_pixels_that_torchvisions_and_timms_transforms_give(key):
    _, size, side, how = key.split("/")
    photo = Image.fromarray(REFERENCE[f"photo/{size}"])
    data = Data(dataset="image_folder", eval_resize=int(side), eval_interpolation=how)
    np.testing.assert_array_equal(np.asarray(centre(photo, (3, 12, 12), data)), REFERENCE[key])


@pytest.mark.parametrize("key", [k for k in REFERENCE if k.startswith("resized/")])
def test_a_crop_is_resized_to_torchvisions_pixels(key):
    _, size, how = key.split("/")
    file = io.BytesIO()
    Image.fromarray(REFERENCE[f"photo/{size}"]).save(file, "PNG")
    photo = Photo.open(file.getvalue(), "photo", 3)
    window = Window.whole(*photo.size).cropped(2, 3, 15, 25).resized(10, 12)
    np.testing.assert_array_equal(photo.view(window, "pillow", resampling.FILTERS[how]), REFERENCE[key])


def test_a_filter_at_random_is_one_of_timms_evenly():
    random = np.random.default_rng(0)
    drawn = [resampling.chosen_filter("random", random) for _ in range(2_000)]
    shares = [drawn.count(resampling.FILTERS[how]) / 2_000 for how in REFERENCE["filters"].tolist()]
    assert shares == pytest.approx([0.5, 0.5], abs=0.05)


def test_averages_warm_up_as_timms():
    found = [kept(EMA(0.99, power=0.67), step, 100) for step in range(1, 2001)]
    np.testing.assert_allclose(found, REFERENCE["ema"], rtol=1e-12)


def test_binary_cross_entropy_is_timms():
    torch = pytest.importorskip("torch")
    logits, labels = torch.from_numpy(REFERENCE["logits"]), torch.from_numpy(REFERENCE["labels"])
    images, mixes = torch.zeros(len(labels), 1, 8, 8), {"data": Data(dataset="digits", mix=Mix(mixup=0.5))}
    cases = (({"loss": BCE(), "label_smoothing": 0.1}, ()), ({"loss": BCE(0.2), **mixes}, (Mixed(0.7),)))
    for (recipe, mixed), expected in zip(cases, REFERENCE["bce"], strict=True):
        run = TorchRun(logits)
        of_recipe("torch", classes=5, precision="fp64", **recipe).train_step(run, images, labels, *mixed)
        assert run.loss == pytest.approx(expected, abs=1e-12)


def lamb_problem():
    starts = [REFERENCE[f"lamb/{i}/start"] for i in range(3)]
    for row in REFERENCE["lamb/gradients"]:
        yield starts, [p.reshape(s.shape) for p, s in zip(np.split(row, [12, 16]), starts, strict=True)]


def test_lamb_is_timms():
    torch = pytest.importorskip("torch")
    from archspec_torch.trainer.stepper import set_rate

    model = torch.nn.ParameterList([torch.from_numpy(s) for s in next(lamb_problem())[0]])
    recipe = LAMB(weight_decay=0.02, decay_norm_and_bias=False, always_adapt=False)
    optimizer = of_recipe("torch", optimizer=recipe).make_optimizer(model)
    set_rate(optimizer, 0.01)
    for _, gradients in lamb_problem():
        for parameter, gradient in zip(model, gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
    for index, parameter in enumerate(model):
        np.testing.assert_allclose(parameter.detach(), REFERENCE[f"lamb/{index}/end"], rtol=1e-9, atol=1e-12)


def test_lamb_is_optaxs():
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    from archspec_torch.trainer.stepper import set_rate

    model = torch.nn.ParameterList([torch.from_numpy(s).float() for s in next(lamb_problem())[0]])
    params = [jax.numpy.asarray(p.detach().numpy().copy()) for p in model]
    optimizer = of_recipe("torch", optimizer=LAMB(weight_decay=0.02)).make_optimizer(model)
    theirs = optax.lamb(0.01, weight_decay=0.02)
    set_rate(optimizer, 0.01)
    state = theirs.init(params)
    for _, gradients in lamb_problem():
        for parameter, gradient in zip(model, gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient).float()
        optimizer.step()
        updates, state = theirs.update([g.astype(np.float32) for g in gradients], state, params)
        params = optax.apply_updates(params, updates)
    for one, other in zip(model, params, strict=True):
        np.testing.assert_allclose(one.detach(), other, rtol=2e-5, atol=1e-6)

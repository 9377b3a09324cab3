"""What torchvision and timm do to images, targets and gradients, as `bench/recipes_reference.py` wrote it down, we do too."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec_runtime import pillow_ops
from archspec_runtime.augment import resized_crop
from archspec_runtime.averaging import kept
from archspec_runtime.erasing import erased_boxes
from archspec_runtime.mixing import Mixed, cut
from archspec_runtime.recipe import (
    BCE,
    EMA,
    LAMB,
    RandAugment,
    RandomErasing,
    RandomResizedCrop,
    Recipe,
    TrivialAugment,
)

REFERENCE = dict(np.load(Path(__file__).parent / "data" / "recipes_reference.npz"))
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
    made = pillow_ops.OPERATIONS[ours(name)](IMAGE, strength, pillow_ops.FILTERS[how], None)
    # its strengths are in single precision: a blend may be rounded to the neighbouring level
    np.testing.assert_allclose(
        np.asarray(made, int), REFERENCE[key], rtol=0, atol=int("bilinear" in key or "Bright" in key)
    )


@pytest.mark.parametrize("key", [k for k in REFERENCE if k.startswith("timm/")])
def test_every_operation_of_timm_gives_the_same_pixels(key):
    _, name, level, sign = key.split("/")
    strength = pillow_ops.timm_strength(ours(name), float(level), IMAGE.size)
    strength *= int(sign) if ours(name) in pillow_ops.SIGNED else 1
    made = pillow_ops.OPERATIONS[ours(name)](IMAGE, strength, pillow_ops.FILTERS["bicubic"], pillow_ops.TIMM_FILL)
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


def test_averages_warm_up_as_timms():
    found = [kept(EMA(0.99, power=0.67), step, 100) for step in range(1, 2001)]
    np.testing.assert_allclose(found, REFERENCE["ema"], rtol=1e-12)


def test_binary_cross_entropy_is_timms():
    torch = pytest.importorskip("torch")
    from archspec_torch.trainer.loss import loss_of, targets_of

    logits, labels = torch.from_numpy(REFERENCE["logits"]), torch.from_numpy(REFERENCE["labels"])
    cases = (Recipe(loss=BCE(), label_smoothing=0.1), None), (Recipe(loss=BCE(0.2)), Mixed(0.7))
    for (recipe, mixed), expected in zip(cases, REFERENCE["bce"], strict=True):
        targets = targets_of(labels, 5, recipe, mixed, torch.float64)
        assert loss_of(logits, targets, recipe).item() == pytest.approx(expected, abs=1e-12)


def lamb_problem():
    starts = [REFERENCE[f"lamb/{i}/start"] for i in range(3)]
    for row in REFERENCE["lamb/gradients"]:
        yield starts, [p.reshape(s.shape) for p, s in zip(np.split(row, [12, 16]), starts, strict=True)]


def test_lamb_is_timms():
    torch = pytest.importorskip("torch")
    from archspec_torch.trainer.optimizer import make_optimizer, set_rate

    model = torch.nn.ParameterList([torch.from_numpy(s) for s in next(lamb_problem())[0]])
    recipe = LAMB(weight_decay=0.02, decay_norm_and_bias=False, always_adapt=False)
    optimizer = make_optimizer(model, recipe)
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
    from archspec_torch.trainer.optimizer import make_optimizer, set_rate

    model = torch.nn.ParameterList([torch.from_numpy(s).float() for s in next(lamb_problem())[0]])
    params = [jax.numpy.asarray(p.detach().numpy().copy()) for p in model]
    optimizer, theirs = make_optimizer(model, LAMB(weight_decay=0.02)), optax.lamb(0.01, weight_decay=0.02)
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

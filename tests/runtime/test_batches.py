"""Which samples a step sees, which depends on the seed, the epoch and the place alone, and what becomes of them."""

import numpy as np
import pytest

from archspec_runtime.augment.plan import Plan, epoch_plan
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.draws import epoch_order
from archspec_runtime.errors import DataError
from archspec_runtime.recipe.images import Data, HFlip, PadCrop
from making import MOVED, batches, noise


def test_a_step_sees_the_same_samples_whatever_was_asked_before():
    in_order = batches()
    forward = [in_order.at(step) for step in range(40)]
    backward = batches()
    for step in reversed(range(40)):
        again = backward.at(step)
        for name in ("indices", "labels"):
            np.testing.assert_array_equal(getattr(again, name), getattr(forward[step], name))
        for name in ("top", "left", "flip"):
            np.testing.assert_array_equal(getattr(again.plan, name), getattr(forward[step].plan, name))
    np.testing.assert_array_equal(batches().at(33).indices, forward[33].indices)


@pytest.mark.parametrize(("count", "size"), [(70, 8), (64, 8), (9, 8), (8, 8)])
def test_an_epoch_shows_every_image_at_most_once_and_leaves_out_less_than_a_batch(count, size):
    made = batches(noise(count), size)
    for epoch in range(3):
        steps = range(epoch * made.per_epoch, (epoch + 1) * made.per_epoch)
        seen = np.concatenate([made.at(step).indices for step in steps])
        assert len(set(seen.tolist())) == len(seen) > count - size


def test_orders_and_moves_differ_between_seeds_and_epochs():
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(5) for epoch in range(5)}
    plans = {epoch_plan(MOVED, seed, epoch, 50).top.tobytes() for seed in range(5) for epoch in range(5)}
    assert len(orders) == len(plans) == 25
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_labels_belong_to_the_images():
    made = batches()
    batch = made.at(5)
    np.testing.assert_array_equal(batch.labels, made.split.labels[batch.indices])


def test_too_few_images_for_a_batch_are_said():
    with pytest.raises(DataError, match="7 training images do not fill a batch of 8"):
        batches(noise(7))


def test_every_crop_and_both_mirrors_are_drawn_evenly():
    plan = epoch_plan((PadCrop(4), HFlip()), 0, 0, 9000)
    for starts in (plan.top, plan.left):
        counts = np.bincount(starts, minlength=9)
        assert len(counts) == 9
        assert counts.min() > 850
    assert abs(plan.flip.mean() - 0.5) < 0.02
    assert abs(np.corrcoef([plan.top, plan.left, plan.flip])[np.triu_indices(3, 1)]).max() < 0.04


def test_a_crop_is_cut_from_the_image_padded_with_zeros_and_then_mirrored():
    images = np.random.default_rng(0).normal(size=(2, 3, 5, 6)).astype(np.float32)
    plan = Plan(2, np.array([0, 3]), np.array([4, 1]), np.array([False, True]))
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    moved = plan.apply(images)
    np.testing.assert_array_equal(moved[0], padded[0, :, 0:5, 4:10])
    np.testing.assert_array_equal(moved[1], padded[1, :, 3:8, 1:7][:, :, ::-1])


def test_a_crop_is_cut_from_the_image_and_its_reflection():
    images = np.random.default_rng(0).normal(size=(1, 3, 5, 6)).astype(np.float32)
    plan = Plan(2, np.array([0]), np.array([4]), np.array([False]), mode="reflect")
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)), "reflect")
    np.testing.assert_array_equal(plan.apply(images)[0], padded[0, :, 0:5, 4:10])


def test_an_image_that_is_mirrored_alternately_is_so_in_every_other_epoch():
    made = batches(noise(64), augment=(HFlip(alternating=True),))
    seen = []
    for epoch in range(4):
        steps = [made.at(step) for step in range(epoch * made.per_epoch, (epoch + 1) * made.per_epoch)]
        seen.append({int(i): bool(f) for s in steps for i, f in zip(s.indices, s.plan.flip, strict=True)})
    assert 15 < sum(seen[0].values()) < 49
    assert all(seen[1][i] != f and seen[2][i] == f and seen[3][i] != f for i, f in seen[0].items())


@pytest.mark.parametrize(
    "augment", [(), (HFlip(),), (PadCrop(1),), (PadCrop(4), HFlip()), (PadCrop(2, "reflect"), HFlip())], ids=str
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 10)], ids=str)
@pytest.mark.parametrize("normalize", ["none", "per_pixel_mean", "per_channel"])
def test_a_device_gives_a_net_the_same_pixels_bit_for_bit(augment, shape, normalize):
    torch = pytest.importorskip("torch")
    from archspec_torch.trainer.images import Images

    split = noise(50, shape)
    normalization = measure(normalize, split, shape)
    made = Batches(split, Data(augment=augment), 16, 3, shape, normalization)
    images = Images(split, normalization, torch.device("cpu"), torch.float32)
    for step in range(4):
        batch = made.at(step)
        expected = batch.plan.apply(normalization.apply(split.images[batch.indices]))
        pixels, labels = images.batch(batch)
        np.testing.assert_array_equal(pixels.numpy(), expected)
        np.testing.assert_array_equal(labels.numpy(), batch.labels)

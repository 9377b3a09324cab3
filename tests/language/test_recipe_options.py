"""What a recipe can say of a batch, and what it cannot."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archspec
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.recipe.augmentations import Mix, RandomErasing, RandomResizedCrop, TrivialAugment
from archspec_runtime.recipe.images import Data, Epoch, HFlip, Size, Step

NET = "archspec: 1\nname: net\ninput: {channels: CH, size: 8}\nclasses: CL\nhead: [global_avg_pool, {linear: {out: classes}}]\n"


def batches(data, folder=None, shape=(1, 8, 8), classes=10, size=32, **options):
    dataset = open_dataset(data, folder, input_shape=shape, classes=classes, seed=0)
    return Batches(dataset.train, data, size, 0, shape, measure(data.normalize, dataset.train, shape), **options)


def test_repeats_hold_each_image_so_often_apart_and_augmented_differently():
    data = Data(dataset="digits", augment=(RandomErasing(1.0),), repeats=4)
    made = batches(data)
    first, second = made.at(0), made.at(1)
    assert set(np.bincount(first.indices)[first.indices]) == {4}
    assert not set(first.indices) & set(second.indices)
    assert (first.indices != np.roll(first.indices, 1)).all()  # or mixing would mix an image with itself
    image = np.flatnonzero(first.indices == first.indices[0])
    assert len({tuple(row) for row in first.plan.erase[image]}) == 4
    assert made.per_epoch == batches(Data(dataset="digits")).per_epoch


def test_every_choice_depends_on_the_step_alone():
    data = Data(
        dataset="digits",
        augment=(TrivialAugment(), HFlip(), RandomErasing()),
        repeats=3,
        mix=Mix(mixup=0.2, cutmix=1.0),
    )
    whole = list(batches(data).run(0, 50))  # beyond an epoch
    for step in (0, 43, 44, 49):
        one = next(batches(data).run(step, step + 1))
        for name in ("indices", "labels", "pixels"):
            np.testing.assert_array_equal(getattr(one, name), getattr(whole[step], name))
        np.testing.assert_array_equal(one.plan.erase, whole[step].plan.erase)
        assert one.mixed == whole[step].mixed
    cuts = [b.mixed.box is not None for b in whole]
    assert 10 < sum(cuts) < 40
    assert len({b.mixed.share for b in whole}) > 40


def test_batches_are_mixed_as_often_as_asked():
    made = batches(Data(dataset="digits", mix=Mix(mixup=0.2, probability=0.25)), size=4)
    mixed = [made.at(step).mixed for step in range(300)]
    assert 50 < sum(m is not None for m in mixed) < 100


@pytest.mark.parametrize("until", [Epoch(2), Step(6)])
def test_nothing_is_mixed_from_an_epoch_on(until):
    """As with timm's --mixup-off-epoch 2, which lets epochs 0 and 1 be mixed; what was drawn before stays the same."""
    always, ending = Mix(mixup=0.2, cutmix=1.0), Mix(mixup=0.2, cutmix=1.0, until=until)
    whole, part = (batches(Data(dataset="digits", mix=mix), size=400) for mix in (always, ending))
    assert whole.per_epoch == 3
    assert [part.at(step).mixed for step in range(6)] == [whole.at(step).mixed for step in range(6)]
    assert [part.at(step).mixed for step in range(6, 12)] == [None] * 6
    assert None not in [whole.at(step).mixed for step in range(12)]


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(8):
                pixels = random.integers(0, 256, (40 + index, 50, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_images_grow_with_the_phases_and_any_step_is_the_same_alone(photos, workers):
    sizes = (Size(8, Step(3)), Size(12, Epoch(2)), Size(16))
    data = Data(dataset="image_folder", augment=(RandomResizedCrop(interpolation="random"), RandomErasing()),
                size=sizes, normalize="imagenet")  # fmt: skip
    made = batches(data, photos, (3, 16, 16), 2, 4, workers=workers)
    seen = list(made.run(0, 10))
    assert [b.pixels.shape[2:] for b in seen] == [(8, 8)] * 3 + [(12, 12)] * 5 + [(16, 16)] * 2
    alone = next(batches(data, photos, (3, 16, 16), 2, 4, workers=0).run(7, 8))
    np.testing.assert_array_equal(alone.pixels, seen[7].pixels)
    np.testing.assert_array_equal(alone.plan.erase, seen[7].plan.erase)


FOLDER = """archspec: 1
name: net
input: {channels: 3, size: 8}
classes: 2
head: [flatten, {linear: {out: classes}}]
train:
  data: {dataset: image_folder, augment: [random_crop]}
  batch_size: 8
  steps: 4
"""


@pytest.mark.parametrize(
    "asks", ["keep: {best: val_error}", "lr: [{value: 0.1, until: val_error < 9%}, {value: 0}]"]
)
def test_a_validation_error_may_be_that_of_a_folder_with_val_beside_test(asks, photos, cli):
    pytest.importorskip("torch")
    Path("net.yaml").write_text(f"{FOLDER}  {asks}\n")
    given = ("train", "net.yaml", "--data", photos, "--device", "cpu", "--compile", "off", "--workers", 0, "--out")
    shutil.move(photos / "val", photos / "test")
    refused = cli(*given, "run")
    assert refused.exit_code == 1
    assert (
        "error: the recipe asks for a `val_error`, and there are no images to validate on\n  help: "
        in refused.stderr
    )
    shutil.copytree(photos / "test", photos / "val")
    assert "val error" in cli(*given, "run").stderr


NONSENSE = {
    "accumulate: 3": "AS604: a batch of 128 does not split into 3 equal parts",
    "keep: {best: val_error}": "AS604: there is no `val_error` without a holdout",
    "bad_loss: {stop: {spike: 1}}": "AS604: losses above 1 times their mean are no spikes",
    "batch_size: 4, data: {repeats: 4}": "AS604: 4 repeats leave a batch of 4 with one image",
    "batch_size: 1, data: {mix: {mixup: 0.2}}": "AS604: a batch of one image has nothing to mix it with",
    "data: {mix: {}}": "AS604: `mix` says no way of mixing",
    "data: {mix: {mixup: 1, switch: 0.5}}": "AS604: there is nothing to `switch` between",
    "data: {mix: {mixup: 0}}": "AS104: must be at least",
    "data: {mix: {mixup: 1, probability: 1.5}}": "AS104: must be from 0 to 1",
    "label_smoothing: 1.0": "AS104: must be from 0 below 1",
    "loss: {bce: {threshold: 0.2}}, label_smoothing: 0.1": "AS604: the threshold of `bce` undoes `label_smoothing`",
    "ema: 1.0": "AS104: must be from 0 below 1",
    "ema: {decay: 0.9, after: plateau 3}": "AS602: this cannot wait for 'plateau 3'",
    "data: {augment: [{rand_augment: {std: 0.5}}]}": "AS604: `std` means nothing in form `torchvision`",
    "data: {augment: [{rand_augment: {form: timm, bins: 9}}]}": "AS604: `bins` means nothing in form `timm`",
    "data: {augment: [{rand_augment: {magnitude: 31}}]}": "AS604: the magnitudes of form `torchvision` go from 0 to 30",
    "data: {augment: [{rand_augment: {form: timm, magnitude: 11}}]}": "AS604: the magnitudes of form `timm` go from 0 to 10",
    "data: {augment: [{random_resized_crop: {scale: [0.9, 0.1]}}]}": "AS604: `scale` goes from 0.9 to 0.1",
    "data: {augment: [{random_resized_crop: {scale: [0.9, 1.1]}}]}": "AS604: a crop has at most the whole area",
    "data: {augment: [{random_erasing: {scale: [0.5, 1]}}]}": "AS604: erasing the whole image",
    "data: {augment: [random_erasing, random_erasing]}": "AS604: images are erased from once",
    "data: {augment: [hflip, hflip]}": "AS604: images are mirrored once",
    "data: {augment: [{hflip: 0.5}]}": "AS103: `hflip`: expected a mapping, not 0.5",
    "data: {augment: [pad_crop]}": "AS102: `pad_crop` needs the pixels",
    "data: {augment: [{pad_crop: 8}]}": "AS604: 8 pixels of padding can push all of an image of 8 out of sight",
    "data: {dataset: image_folder, test: 0.2}": "AS604: `test: 0.2` says neither which files, nor a share",
    "data: {dataset: image_folder, test: 100%}": "AS604: `test: 100%` is no share of the training images",
    "data: {dataset: image_folder, image: jpg}": "AS604: `image` says which column or member holds images",
    "data: {dataset: cifar10, test: 20%}": "AS604: `20%` sets images aside to test on, and `cifar10` has its own",
    "data: {train: a.tar}": "AS604: `train` says which tars or Parquet files, and `digits` has none",
    "optimizer: {sgd: {nesterov: true}}": "AS604: `nesterov` looks ahead along the momentum, and there is none",
    "lr: [{value: 1, until: val_error < 9%}, {value: 0.1}]": "AS604: there is no `val_error` without a holdout",
    "lr: [{value: 1, until: train_error < 180%}, {value: 0.1}]": "AS602: `train_error < 180%` holds always or never",
    "lr: -0.1": "AS104: must be at least 0, not -0.1",
    "ema: {decay: 0.9, after: epoch -1}": "AS602: this cannot wait for 'epoch -1'",
    "data: {augment: [{rand_augment: {bins: 1}}]}": "AS104: must be from 2 to",
    "data: {augment: [{resize_shorter: [9, 8]}]}": "AS604: no side is from 9 to 8 pixels",
    "data: {augment: [pca_lighting]}": "AS604: `pca_lighting` changes images of 3 channels, and the net takes 1",
    "data: {normalize: imagenet}": "AS604: `imagenet` has the mean of 3 channels, and the net takes 1",
    "data: {antialias: false, resizer: pillow}": "AS604: `resizer` chooses what antialiases",
    "data: {eval_interpolation: bicubic}": "AS604: `eval_interpolation` says how to resize, and nothing is resized",
    "data: {eval_resize: 9, eval_interpolation: random}": "AS103: expected",
    "data: {mix: {mixup: 1, until: plateau 3}}": "AS602: this cannot wait for 'plateau 3'",
    "data: {size: 6}": "AS604: images get another size by cropping",
    "data: {size: 6, augment: [random_crop], normalize: per_pixel_mean}": "AS604: a mean for each pixel has one size",
    "data: {size: [{value: 6}, {value: 8}], augment: [random_crop]}": "AS602: phase 1 of `size` never ends",
    "data: {size: [{value: 6, until: epoch 3}, {value: 7, until: epoch 2}, {value: 8}], augment: [random_crop]}":
        "AS602: phase 2 of `size` would end on epoch 2, not after 3",
}  # fmt: skip


@pytest.mark.parametrize("train", NONSENSE)
def test_nonsense_is_named(train, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("CH", "1").replace("CL", "10") + f"train: {{steps: 9, {train}}}\n")
    (found,) = archspec.check(path)
    code, said = NONSENSE[train].split(": ", 1)
    assert (found.code, said in found.message) == (code, True), found.message
    assert found.span.line == 5


def test_more_nonsense_of_the_net(tmp_path):
    path = tmp_path / "net.yaml"
    data = "dataset: synthetic, mix: {cutmix: 1}, augment: [trivial_augment]"
    path.write_text(NET.replace("CH", "4").replace("CL", "1") + f"train: {{steps: 9, data: {{{data}}}}}\n")
    said = {f"{d.code}: {d.message}" for d in archspec.check(path)}
    assert said == {
        "AS604: labels of one class cannot be mixed",
        "AS604: `trivial_augment` changes images of 1 or 3 channels, and the net takes 4",
    }


def test_a_share_to_test_on_is_told_each_data_set_that_takes_one(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("archspec: 1\ninput: {size: 8}\nclasses: 4\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
                    "train: {data: {dataset: cifar10, test: 20%}, steps: 1}\n")  # fmt: skip
    (found,) = archspec.check(path)
    assert found.help == "take it out, or read `image_folder`, `webdataset` or `parquet`"

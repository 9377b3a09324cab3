"""Folders of images: their classes, what is wrong in them, and their images as they are needed."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.errors import DataError
from archspec_runtime.recipe.augmentations import PcaLighting, RandomCrop, ResizeShorter
from archspec_runtime.recipe.images import Data, HFlip
from conftest import SHARED
from making import BLUE, RED, batches, halves


@pytest.fixture
def folder(tmp_path):
    """An image folder: two classes, images of one size, beside files that are no images."""
    for split, count in (("train", 4), ("test", 2)):
        for name, colour in (("cat", RED), ("dog", BLUE)):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for index in range(count):
                halves(colour, (index, index, index)).save(tmp_path / "images" / split / name / f"{index}.png")
            (tmp_path / "images" / split / name / "Thumbs.db").write_text("x")
    return tmp_path / "images"


def open_folder(folder, shape=(3, 8, 16), classes=2, **data):
    return open_dataset(Data(dataset="image_folder", **data), folder, input_shape=shape, classes=classes, seed=0)


def test_classes_are_the_folders_in_sorted_order(folder):
    found = open_folder(folder)
    assert found.classes == ("cat", "dog")
    np.testing.assert_array_equal(found.train.labels, [0] * 4 + [1] * 4)
    np.testing.assert_array_equal(found.train.images[:, :, 0, 0], [RED] * 4 + [BLUE] * 4)
    assert open_folder(folder, (1, 8, 16)).train.images.shape == (8, 1, 8, 16)


def rename(source, target):
    return lambda folder: (folder / source).rename(folder / target)


def empty(folder):
    for path in (folder / "test").rglob("*.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: (f / "test" / "bird").mkdir(), "there is no class 'bird' in train/"),
        (rename("train/dog", "bird"), "there is no class 'dog' in train/"),
        (lambda f: (f / "train" / "bird").mkdir(), "image_folder has 3 classes, and the net 2"),
        (rename("test", "check"), "has neither test/ nor val/"),
        (rename("train", "training"), "has no train/"),
        (empty, "test holds no images"),
        (lambda f: halves(size=(9, 9)).save(f / "train" / "cat" / "0.png"), "0.png is 3x9x9, and the net takes "),
        (lambda f: (f / "train" / "dog" / "3.png").write_text("x"), "dog/3.png cannot be read as an image"),
    ],
    ids=["new class", "lost class", "empty class", "no test", "no train", "no images", "other size", "corrupt"],
)  # fmt: skip
def test_what_is_wrong_in_an_image_folder_is_said_with_a_remedy(folder, change, says):
    change(folder)
    with pytest.raises(DataError) as caught:
        open_folder(folder)
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("given", [None, Path("/nowhere"), Path(__file__)], ids=["none", "missing", "file"])
def test_a_missing_image_folder_says_how_one_looks(given):
    with pytest.raises(DataError, match="trains on a folder of images") as caught:
        open_folder(given)
    assert "train/<class>" in caught.value.hint


def test_images_read_as_needed_depend_on_the_seed_the_epoch_and_the_place_alone(folder):
    augment = (ResizeShorter(9, 14), RandomCrop(), HFlip(), PcaLighting())
    split = open_folder(folder, (3, 8, 8), augment=augment).train
    assert isinstance(split, EncodedSplit)
    one, other = (batches(split, 3, 0, augment) for _ in range(2))
    one.workers, other.workers = 0, 3
    straight = list(one.run(0, 6))
    for step in (5, 2):
        for again, expected in zip(other.run(step, 6), straight[step:], strict=True):
            for name in ("indices", "labels", "pixels", "shift"):
                np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    assert straight[0].pixels.shape == (3, 3, 8, 8)
    assert len({batch.pixels.tobytes() for batch in straight}) == 6
    assert len({batch.shift.tobytes() for batch in straight}) == 6


def test_an_image_that_vanishes_while_training_is_named(folder):
    augment = (RandomCrop(),)
    made = batches(open_folder(folder, (3, 8, 8), augment=augment).train, 2, 0, augment)
    run = made.run(0, 40)
    next(run)
    (folder / "train" / "dog" / "2.png").unlink()
    with pytest.raises(DataError, match=r"dog/2\.png cannot be read as an image"):
        list(run)


def test_real_photographs_of_many_sizes_are_read(tmp_path):
    if not (SHARED / "imagenet-sample.tar").exists():
        pytest.skip("the sample of ImageNet is not on this machine")
    with tarfile.open(SHARED / "imagenet-sample.tar") as photographs:
        members = [m for m in photographs if m.name.startswith("val/n017")]
        photographs.extractall(tmp_path, members, filter="data")
    (tmp_path / "train").symlink_to(tmp_path / "val")
    names = sorted(p.name for p in (tmp_path / "val").iterdir())
    augment = (ResizeShorter(64, 96), RandomCrop(), HFlip())
    data = {"augment": augment, "normalize": "per_pixel_mean", "eval_resize": 64}
    found = open_folder(tmp_path, (3, 56, 56), len(names), **data)
    assert found.classes == tuple(names)
    normalization = measure("per_pixel_mean", found.train, (3, 56, 56))
    made = Batches(found.train, Data(**data), 2, 0, (3, 56, 56), normalization)
    for batch in made.run(0, made.per_epoch):
        assert batch.pixels.shape == (2, 3, 56, 56)
        assert np.abs(batch.floats(normalization)).max() <= 1

"""What a data set tells of itself: its classes by name, and which images it has, whatever form it comes in."""

import shutil

import numpy as np
import pytest

from archspec_runtime.data.cifar import CLASSES
from archspec_runtime.data.splits import Listing, open_dataset
from archspec_runtime.recipe.images import Data
from image_sets import as_tars, jpeg, opened


def test_a_folder_that_moved_or_was_packed_has_the_same_listing(photos, tmp_path, cli):
    before = opened(photos)
    assert before.classes == ("cat", "dog")
    assert {name: (one.images, one.of_classes) for name, one in before.listings.items()} == {
        "train": (12, (6, 6)),
        "test": (4, (2, 2)),
    }
    assert cli("data", "pack", photos, "packed").exit_code == 0
    assert opened(tmp_path / "packed").listings == before.listings
    photos.rename(tmp_path / "elsewhere")
    assert opened(tmp_path / "elsewhere").listings == before.listings
    assert Listing.from_dict(before.listings["train"].to_dict()) == before.listings["train"]


@pytest.mark.parametrize("change", ["one more", "one less", "another name", "another class"])
def test_a_change_of_the_images_changes_the_listing_of_their_split_alone(photos, change):
    before = opened(photos).listings
    file = photos / "train" / "cat" / "2.jpg"
    if change == "one more":
        (photos / "train" / "cat" / "9.jpg").write_bytes(jpeg(9))
    elif change == "one less":
        file.unlink()
    else:
        shutil.move(file, photos / "train" / ("cat/2b.jpg" if change == "another name" else "dog/9.jpg"))
    after = opened(photos).listings
    assert after["train"] != before["train"]
    assert after["test"] == before["test"]


def test_a_holdout_leaves_the_listing_as_it_is(photos):
    assert opened(photos, holdout=3).listings == opened(photos).listings


def test_images_that_are_read_into_memory_keep_their_names(photos):
    found = open_dataset(Data(dataset="image_folder"), photos, input_shape=(3, 30, 40), classes=2, seed=0)
    assert found.train.images.shape == (12, 3, 30, 40)
    assert found.listings == opened(photos).listings
    part = found.train.subset(np.array([7, 1]))
    assert (part.name(0), part.name(1)) == ("dog/1.jpg", "cat/1.jpg")


def test_tars_and_digits_name_their_classes(tmp_path):
    assert opened(as_tars(tmp_path / "shards"), "webdataset").classes == ("0", "1")
    digits = open_dataset(Data(), None, input_shape=(1, 8, 8), classes=10, seed=0)
    assert digits.classes == tuple("0123456789")
    assert digits.listings["train"].images == 1437
    assert [len(CLASSES[name]) for name in ("cifar10", "cifar100")] == [10, 100]
    assert CLASSES["cifar100"][0] == "apple"

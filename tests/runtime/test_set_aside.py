"""Images to test on: set aside where a data set has none, equal ones listed, and classes matched by name."""

import re
import shutil

import pytest

from archspec_runtime.errors import DataError
from image_sets import as_tars, counts, opened, said


def test_equal_images_are_listed_and_no_fault(photos, cli):
    shutil.copy(photos / "train" / "cat" / "1.jpg", photos / "test" / "dog" / "copy.jpg")
    output = said(cli("data", "verify", photos), 0)
    assert re.search(r"^equal images +1$", output, re.M)
    assert re.search(r"train/cat/1\.jpg = \S+test/dog/copy\.jpg", output)


def test_a_folder_of_classes_says_how_to_set_images_aside_and_does(photos, tmp_path, cli):
    flat = tmp_path / "flat"
    (photos / "train").rename(flat)
    with pytest.raises(
        DataError, match=r"holds folders of classes \(cat, dog\), and no images to measure"
    ) as caught:
        opened(flat)
    assert "--set train.data.test=20%" in caught.value.hint
    found = opened(flat, test="34%")
    assert counts(found) == {"train": (4, 4), "test": (2, 2)}
    assert opened(flat, test="34%", holdout=2).listings == found.listings
    names = {found.train.name(i) for i in range(8)} | {found.test.name(i) for i in range(4)}
    assert len(names) == 12
    assert re.search(r"^classes +2$", said(cli("data", "verify", flat), 0), re.M)
    root = tmp_path / "root"
    root.mkdir()
    flat.rename(root / "train")
    assert opened(root, test="34%").listings == found.listings
    with pytest.raises(DataError, match="has neither test/ nor val/") as caught:
        opened(root)
    assert "train.data.test=20%" in caught.value.hint
    photos.joinpath("test").rename(root / "test")
    with pytest.raises(DataError, match="has test/, and the recipe sets 34% of train/ aside"):
        opened(root, test="34%")


def test_the_only_image_of_a_class_is_not_set_aside_and_a_run_is_measured_on_test_images_that_there_are(photos):
    from archspec_runtime.data.splits import open_dataset
    from archspec_runtime.recipe.images import Data

    for number in range(1, 6):
        (photos / "train" / "cat" / f"{number}.jpg").unlink()
    found = open_dataset(Data(dataset="image_folder", test="34%", eval_resize=20), photos / "train",
                         input_shape=(3, 16, 16), classes=2, seed=0)  # fmt: skip
    assert counts(found) == {"train": (1, 4), "test": (0, 2)}
    assert found.notices == ("1 class has no images in test: 'cat'",)
    for number in range(1, 6):
        (photos / "train" / "dog" / f"{number}.jpg").unlink()
    with pytest.raises(DataError, match="no class has two images"):
        opened(photos / "train", test="34%")
    measured = open_dataset(Data(dataset="image_folder", test="34%", eval_resize=20), photos, input_shape=(3, 16, 16),
                            classes=2, seed=0, names=("cat", "dog"))  # fmt: skip
    assert measured.listings["test"].of_classes == (2, 2)


def test_tars_without_images_to_test_on_set_some_aside(tmp_path):
    shards = as_tars(tmp_path / "shards")
    (shards / "test-000.tar").unlink()
    assert counts(opened(shards, "webdataset", test="34%")) == {"train": (4, 4), "test": (2, 2)}


def test_classes_of_a_run_are_matched_by_name_and_may_be_missing(photos, tmp_path):
    from archspec_runtime.data.splits import open_dataset
    from archspec_runtime.recipe.images import Data

    def evaluated(folder, *names):
        data = Data(dataset="image_folder", eval_resize=20)
        return open_dataset(data, folder, input_shape=(3, 16, 16), classes=len(names), seed=0, names=names)

    (photos / "train").rename(tmp_path / "away")
    found = evaluated(photos, "bird", "cat", "dog")
    assert counts(found) == {"test": (0, 2, 2)}
    with pytest.raises(DataError, match="no images of the split train"):
        found.split("train")
    shutil.rmtree(photos / "test" / "cat")
    assert counts(evaluated(photos, "bird", "cat", "dog")) == {"test": (0, 0, 2)}
    with pytest.raises(DataError, match=r"test has the class 'dog', which the net was not trained on"):
        evaluated(photos, "bird", "cat")
    assert counts(evaluated(photos / "test", "cat", "dog")) == {"test": (0, 2)}

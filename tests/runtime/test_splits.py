"""How images are split into those for training and others, and the statistics of the former."""

import tracemalloc

import numpy as np
import pytest

from archspec_runtime.batches.normalization import Normalization, measure
from archspec_runtime.data.digits import read_digits
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.draws import holdout_split
from archspec_runtime.errors import DataError
from archspec_runtime.recipe.images import Data
from making import noise


def digits(**data):
    return open_dataset(Data(**data), None, input_shape=(1, 8, 8), classes=10, seed=data.pop("seed", 0))


def test_digits_are_split_as_the_papers_table_needs():
    found = digits()
    assert (len(found.train), len(found.test), found.validation) == (1437, 360, None)
    with pytest.raises(DataError, match="holds no images out for validation"):
        found.split("val")
    assert (found.train.images.min(), found.train.images.max()) == (0, 255)


def test_a_holdout_is_disjoint_drawn_by_the_seed_and_together_with_the_rest_whole():
    whole, part = digits(), digits(holdout=400)
    assert (len(part.train), len(part.validation), len(part.test)) == (1037, 400, 360)
    both = np.concatenate([part.train.images, part.validation.images]).reshape(1437, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole.train.images.reshape(1437, -1)))
    kept, held = holdout_split(0, 1437, 400)
    assert not set(kept) & set(held)
    np.testing.assert_array_equal(part.validation.images, whole.train.images[held])
    assert set(holdout_split(1, 1437, 400)[1]) != set(held)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"classes": 7}, "digits has 10 classes, and the net 7"),
        ({"input_shape": (3, 32, 32)}, "digits has images of 1x8x8, and the net takes 3x32x32"),
        ({"data": Data(holdout=1437)}, "leaves nothing of 1437 training images"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_images_that_are_not_the_nets_are_refused_with_a_remedy(asked, message):
    given = {"data": Data(), "input_shape": (1, 8, 8), "classes": 10, "seed": 0} | asked
    data = given.pop("data")
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(data, None, **given)
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["none", "per_pixel_mean", "per_channel_mean", "per_channel"])
def test_normalization_is_measured_over_training_images_only(kind):
    whole, part = digits(), digits(holdout=400)
    pixels = part.train.images.astype(np.float64) / 255
    mean = {"none": np.zeros((1, 1, 1)), "per_pixel_mean": pixels.mean(0)}.get(kind, pixels.mean().reshape(1, 1, 1))
    found = measure(kind, part.train, (1, 8, 8))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6, atol=1e-9)
    if kind == "per_channel":
        np.testing.assert_allclose(found.std, pixels.std().reshape(1, 1, 1), rtol=1e-6)
    else:
        assert found.std is None
    if kind != "none":
        assert not np.array_equal(found.mean, measure(kind, whole.train, (1, 8, 8)).mean)
    result = found.apply(part.train.images)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, (pixels - mean) / (1 if found.std is None else found.std), atol=2e-6)
    same = Normalization.from_arrays(found.to_arrays())
    np.testing.assert_array_equal(same.apply(part.test.images), found.apply(part.test.images))


def test_statistics_of_many_images_equal_numpys_and_take_little_memory():
    split = noise(9000, (3, 16, 16))  # several times as many bytes as are taken at once
    tracemalloc.start()
    found = measure("per_channel", split, (3, 16, 16))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20e6, "all of them in double precision are 110 MB twice"
    pixels = split.images / 255
    np.testing.assert_allclose(found.mean[:, 0, 0], pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(found.std[:, 0, 0], pixels.std((0, 2, 3)), rtol=1e-6)


def test_digits_are_those_that_scikit_learn_reads(monkeypatch):
    found = read_digits(None, (1, 8, 8), 10, Data())
    monkeypatch.setattr(
        "archspec_runtime.data.digits.find_spec", lambda name: None
    )  # as where its file lies elsewhere
    read = read_digits(None, (1, 8, 8), 10, Data())
    for one, other in ((found.train, read.train), (found.test, read.test)):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)

"""Images that vanish, do not answer or are corrupt: waited for, named, or skipped and counted."""

import os
import threading
import time

import numpy as np
import pytest

from archspec_runtime.batches import timeouts as patience
from archspec_runtime.batches.order import evaluation_batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.recipe.images import Data
from photographs import SHAPE, as_folder, batches, same


@pytest.fixture
def photos(tmp_path):
    return as_folder(tmp_path / "photos")


def test_a_file_that_vanishes_is_waited_for_and_read_when_it_is_back(photos):
    expected = list(batches(photos).run(0, 4))
    made = batches(photos, workers=1)
    os.rename(photos / "train" / "dog", photos / "train" / "away")
    back = threading.Timer(0.8, os.rename, (photos / "train" / "away", photos / "train" / "dog"))
    back.start()
    same(made.run(0, 4), expected)


def test_a_file_that_is_gone_is_named_with_what_to_do(photos):
    made = batches(photos, workers=1)
    (photos / "train" / "dog" / "3.jpg").unlink()
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"dog/3\.jpg cannot be read as an image: No such file") as caught:
        list(made.run(0, 4))
    assert time.monotonic() - begun < 30
    assert "--resume" in caught.value.hint


@pytest.fixture
def impatient(monkeypatch):
    """As if a minute were a tenth of a second, and a quarter of an hour a few."""
    monkeypatch.setattr(patience, "LOOK_EVERY", 0.05)
    monkeypatch.setattr("archspec_runtime.batches.workers.LOOK_EVERY", 0.05)
    monkeypatch.setattr(patience, "SILENCE", 0.1)
    monkeypatch.setattr(patience, "PATIENCE", 4)  # a busy machine takes its time


def stalled(path):
    """A file that can be opened and never answers, as those of a network disk that is away; gives a function that ends it."""
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)

    def answer():
        with open(path, "wb") as file:
            file.write(content)

    return answer


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_does_not_answer_is_named_and_waited_for_no_longer_than_is_sensible(
    workers, photos, impatient, capfd
):
    run = batches(photos, workers=workers).run(0, 100)
    same([next(run)], batches(photos).run(0, 1))
    stalled(photos / "train" / "dog" / "3.jpg")
    with pytest.raises(RunError, match=r"no image has been read for . seconds; waiting for .*dog/3\.jpg") as caught:
        list(run)
    assert "--resume" in caught.value.hint
    assert f"warning: no image has been read for 0 seconds; waiting for {photos}" in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_answers_late_changes_nothing(workers, photos, impatient, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 60)
    expected = list(batches(photos).run(0, 4))
    made = batches(photos, workers=workers)
    late = threading.Timer(0.4, stalled(photos / "train" / "dog" / "3.jpg"))
    late.start()
    same(made.run(0, 4), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_disk_that_does_not_answer_while_the_error_is_measured_is_named(photos, impatient):
    data = Data(dataset="image_folder", eval_resize=24)
    test = open_dataset(data, photos, input_shape=SHAPE, classes=2, seed=0).test
    stalled(photos / "test" / "cat" / "1.jpg")
    with pytest.raises(RunError, match=r"waiting for .*test/cat/1\.jpg"):
        list(evaluation_batches(test, 8, SHAPE, data))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_stops_or_is_skipped_and_counted(photos, workers, capfd):
    file = photos / "train" / "cat" / "7.jpg"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match=r"cat/7\.jpg cannot be read as an image"):
        list(batches(photos, workers).run(0, 4))
    capfd.readouterr()
    sound = batches(photos, corrupt="skip")
    sound.split = sound.split.subset(np.array([*range(7), *range(8, 16)]))
    made = list(batches(photos, workers, corrupt="skip").run(0, 4))
    seen = np.concatenate([batch.indices for batch in made])
    assert 7 not in seen
    assert sorted(seen) == sorted([*range(7), 8, *range(8, 16)])  # the next of the split, with its label
    for batch in made:
        np.testing.assert_array_equal(batch.labels, batch.indices >= 8)
    said = [line for line in capfd.readouterr().err.splitlines() if "cat/7.jpg" in line and "so far" in line]
    assert len(said) >= 1
    assert all("the next image takes its place (1 so far)" in line for line in said)
    same(made, list(batches(photos, 1 - workers, corrupt="skip").run(0, 4)))


def test_a_data_set_of_nothing_but_damage_is_not_skipped_through(photos):
    made = batches(photos, corrupt="skip")
    for file in (photos / "train").rglob("*.jpg"):
        file.write_bytes(b"\xff\xd8\xff no photograph")
    with pytest.raises(DataError, match="16 images in a row cannot be read"):
        list(made.run(0, 1))


def test_images_of_one_size_are_skipped_by_the_same_rule(photos, capfd):
    (photos / "train" / "cat" / "0.jpg").write_bytes(b"x")
    data = Data(dataset="image_folder", corrupt="skip")
    found = open_dataset(data, photos, input_shape=(3, 45, 60), classes=2, seed=0)
    np.testing.assert_array_equal(found.train.images[0], found.train.images[1])
    assert "cat/0.jpg" in capfd.readouterr().err
    (photos / "test" / "cat" / "0.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"test/cat/0\.jpg"):
        open_dataset(data, photos, input_shape=(3, 45, 60), classes=2, seed=0)

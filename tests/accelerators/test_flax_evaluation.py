"""How Flax measures a split: bytes go over, sums stay on the device until the end, and batches that are too much are halved."""

from dataclasses import replace

import numpy as np
import pytest

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import share_of_cores
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.errors import RunError
from archspec_runtime.processes.platforms import cores
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.images import Data
from photographs import SHAPE
from settings_of_runs import setting

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
from archspec_flax.trainer import evaluating  # noqa: E402


class Linear(nnx.Module):
    """A net of one layer, for which a device has room up to so many images."""

    def __init__(self, inputs, classes, room=10**9):
        self.fc = nnx.Linear(inputs, classes, rngs=nnx.Rngs(0))
        self.room = room

    def __call__(self, x):
        if len(x) > self.room:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes.")
        return self.fc(x.reshape(len(x), -1))


@pytest.fixture(scope="module")
def digits():
    _, job, dataset, normalization, _ = setting(batch_size=400)
    return job, dataset, normalization, jax.devices("cpu")[0]


def test_batches_that_are_too_much_are_halved_until_they_fit_and_all_images_count_once(digits, capfd):
    expected = evaluating.evaluate(Linear(64, 10), digits[0], digits[1], "test", *digits[2:])
    assert capfd.readouterr().err == ""
    fitting = evaluating.Fitting()
    given = digits[0], digits[1], "test", *digits[2:]
    found = evaluating.evaluate(Linear(64, 10, room=100), *given, fitting=fitting)
    said = capfd.readouterr().err
    assert [line.split(" while ")[1] for line in said.splitlines()] == [
        "360 images were measured at once: from here on 180 are",
        "180 images were measured at once: from here on 90 are",
    ]
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert (found.top1_error, found.top5_error, found.samples) == (
        expected.top1_error,
        expected.top5_error,
        expected.samples,
    )
    assert evaluating.evaluate(Linear(64, 10, room=100), *given, fitting=fitting) == found
    assert capfd.readouterr().err == "", "later evaluations begin with what fits"


def test_a_split_that_a_device_has_room_for_is_given_to_it_once(digits, monkeypatch):
    given, sent = [], evaluating.store
    monkeypatch.setattr(evaluating, "store", lambda *of: given.append(1) or sent(*of))
    room, none = evaluating.Fitting.of_run(), evaluating.Fitting()
    for fitting in (room, room, none, none):
        evaluating.evaluate(Linear(64, 10), digits[0], digits[1], "test", *digits[2:], fitting=fitting)
    assert len(given) == 1 + 2


def test_one_image_that_is_too_much_is_an_error(digits):
    with pytest.raises(RunError, match="out of memory while 1 images were measured at once"):
        evaluating.evaluate(Linear(64, 10, room=0), digits[0], digits[1], "test", *digits[2:])


@pytest.mark.parametrize("read", [False, True], ids=["in memory", "read from files"])
def test_nothing_is_asked_of_the_device_before_all_batches_are_on_their_way(read, digits, photos, monkeypatch):
    job, dataset, normalization, device = digits
    model = Linear(64, 10)
    if read:
        data = Data(dataset="image_folder", eval_resize=24)
        dataset = open_dataset(data, photos, input_shape=SHAPE, classes=2, seed=0)
        job = replace(job, input_shape=SHAPE, classes=2, recipe=replace(job.recipe, data=data, batch_size=1))
        normalization = measure("none", dataset.test, SHAPE)
        model = Linear(int(np.prod(SHAPE)), 2)
    else:
        job = replace(job, recipe=replace(job.recipe, batch_size=90))
    events, given = [], []
    kind = type(jax.numpy.zeros(()))
    value, program = kind._value, evaluating.program

    def asked(array):
        events.append("asked")
        return value.fget(array)

    def watched(*options):
        def measured(*arguments):
            events.append("batch")
            given.append(arguments[-2])
            return program(*options)(*arguments)

        return measured

    monkeypatch.setattr(evaluating, "program", watched)
    monkeypatch.setattr(kind, "_value", property(asked))
    evaluating.evaluate(model, job, dataset, "test", normalization, device)
    first, last = events.index("batch"), len(events) - events[::-1].index("batch")
    assert events[first:last] == ["batch"] * 4
    assert "asked" in events[last:]
    assert [None if pixels is None else pixels.dtype for pixels in given] == [np.uint8 if read else None] * 4


def test_processes_of_one_machine_share_its_cores_to_read_images():
    assert share_of_cores(World()) == cores()
    assert share_of_cores(World(size=4, local_size=2)) == max(1, cores() // 2)
    assert share_of_cores(World(size=4, local_size=1000)) == 1

"""How PyTorch measures a split: batches that are too much for a device are halved, and every image counts once."""

import pytest

from archspec_runtime.batches.order import Fitting
from archspec_runtime.errors import RunError
from settings_of_runs import setting

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from archspec_torch.trainer.evaluating import evaluate  # noqa: E402

CPU = torch.device("cpu")


class Linear(nn.Module):
    """A net of one layer, for which a device has room up to so many images."""

    def __init__(self, room=10**9):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(64, 10)
        self.room = room
        self.seen = []

    def forward(self, x):
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.seen.append(len(x))
        return self.fc(x.flatten(1))


@pytest.fixture(scope="module")
def digits():
    _, job, dataset, normalization, _ = setting(batch_size=400)
    return job, dataset, "test", normalization, CPU


def test_batches_that_are_too_much_are_halved_until_they_fit_and_all_images_count_once(digits, capfd):
    expected = evaluate(Linear(), *digits)
    assert capfd.readouterr().err == ""
    fitting, model = Fitting.of_run(), Linear(room=100)
    found = evaluate(model, *digits, fitting=fitting)
    assert [line.split(" while ")[1] for line in capfd.readouterr().err.splitlines()] == [
        "360 images were measured at once: from here on 180 are",
        "180 images were measured at once: from here on 90 are",
    ]
    assert model.seen == [90] * 4
    assert fitting.room == 0, "where memory ran out no images are left on the device"
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert (found.top1_error, found.top5_error) == (expected.top1_error, expected.top5_error)
    assert evaluate(Linear(room=100), *digits, fitting=fitting) == found
    assert capfd.readouterr().err == "", "later evaluations begin with what fits"


def test_one_image_that_is_too_much_is_an_error(digits):
    with pytest.raises(RunError, match="out of memory while 1 images were measured at once"):
        evaluate(Linear(room=0), *digits)


def test_other_errors_of_a_model_are_not_tried_again(digits):
    model = Linear()
    model.fc = nn.Linear(7, 10)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        evaluate(model, *digits)
    assert model.seen == [360]

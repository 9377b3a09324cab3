"""What the rig records is the step of the `train.py` that `archspec build` writes; one that waits for its device is caught."""

import pytest

import archspec
from archspec.emission.import_source import import_source
from archspec.files import write_folder
from settings_of_runs import setting

torch = pytest.importorskip("torch")
from recording import stand_in  # noqa: E402
from test_recorded_runs import recorded, stepper_of  # noqa: E402

SPEC = "digits_resnet:resnet8"
BACKWARD = "loss.backward()\n"
WAITS = {
    "a number is asked for": "if loss.item() > 1e9:\n        raise RuntimeError(loss)",
    "a copy goes to the host": "last = logits.detach().cpu()",
    "a shape depends on numbers": "wrong = (logits.argmax(1) != labels).nonzero()",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The text of the `train.py` of a built folder."""
    folder = tmp_path_factory.mktemp("built") / "net"
    net = archspec.load(SPEC)
    write_folder(folder, archspec.emit(net, "torch"))
    return (folder / "train.py").read_text()


def one_step(source, monkeypatch):
    """What the second step of a `train.py` asks of a device."""
    net = archspec.load(SPEC)
    _, _, images, *_ = setting()
    own = source.replace(f"from model import {net.class_name}\n", f"{net.class_name} = None\n")
    with stand_in(monkeypatch) as device:
        stepper, batches = stepper_of(net, device, images)
        stepper.training = import_source(own, "trainer_of_the_rig").TRAINING
        first, second = batches.run(0, 2)
        recorded(lambda: stepper.step(first, 0.1, 0))
        return recorded(lambda: stepper.step(second, 0.1, 1))[0]


def test_the_step_that_is_built_is_the_one_that_is_recorded(built, monkeypatch):
    net = archspec.load(SPEC)
    _, _, images, *_ = setting()
    stepper, _ = stepper_of(net, torch.device("cpu"), images)
    code = stepper.training.train_step.__code__
    stated = import_source(built.replace("from model import", "# "), "stated").TRAINING.train_step.__code__
    assert (code.co_code, code.co_names, code.co_consts) == (stated.co_code, stated.co_names, stated.co_consts)
    seen = one_step(built, monkeypatch)
    assert (len(seen.uploads), seen.downloads, seen.waits) == (1, [], [])


@pytest.mark.parametrize("name", WAITS)
def test_an_edited_step_that_waits_is_caught(name, built, monkeypatch):
    assert built.count(BACKWARD) == 1
    edited = built.replace(BACKWARD, f"{BACKWARD}    {WAITS[name]}\n")
    try:
        seen = one_step(edited, monkeypatch)
    except (NotImplementedError, RuntimeError) as error:  # no shape without numbers
        assert "nonzero" in WAITS[name]
        assert "nonzero" in str(error)
        return
    assert seen.waits or seen.downloads


def test_a_step_opens_no_stream_of_its_own(built, monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError("a graph is recorded on one stream")

    for place in (torch, torch.cuda):
        monkeypatch.setattr(place, "Stream", refused)
    monkeypatch.setattr(torch.cuda, "stream", refused)
    monkeypatch.setattr(torch.cuda, "set_stream", refused)
    one_step(built, monkeypatch)

"""Losses that are not finite, and spikes: what the recipe says is done, the same wherever a run is resumed."""

import math
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.checkpoints import store
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.images import Data
from archspec_runtime.record.folder import read_metrics
from trainers import training

pytest.importorskip("torch")

CPU = ("--device", "cpu", "--threads", "1", "--compile", "off", "--eval-every", "3")
EXPLODES = (
    "[{value: 0.05, until: step 41}, {value: 1e30, until: step 42}, {value: 0.05}]"  # after 42 nothing is finite
)
NOISY = ("--set", "train.batch_size=8", "--steps", "300")  # so that losses rise above their mean
SPEC = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 4, kernel: 3}}}, {bn1: batch_norm}, {relu: relu}, {d: {dropout: {rate: 0.2}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits}
  batch_size: 128
  steps: 80
  optimizer: {sgd: {momentum: 0.9}}
  lr: 0.05
  ema: 0.9
  keep: {last: 20}
"""


@pytest.fixture
def train(cli, tmp_path):
    """Train the small net; gives the result of the command."""
    (tmp_path / "small.yaml").write_text(SPEC)

    def run(out, bad_loss, *args, lr="0.05", code=0, backend="torch"):
        sets = ("--set", f"train.bad_loss={bad_loss}", "--set", f"train.lr={lr}")
        result = cli("train", "small.yaml", "--out", tmp_path / out, "--backend", backend, *sets, *CPU, *args)
        assert result.exit_code == code, result.output
        return result

    return run


def weights(out, step=None):
    path = store.newest(out, None)[0] if step is None else store.place(out, step)
    return {name: load_file(path / f"{name}.safetensors") for name in ("weights", "average")}


def same(one, other):
    return all(np.array_equal(one[kind][name], other[kind][name]) for kind in one for name in one[kind])


def finite(found):
    return all(np.isfinite(tensor).all() for tensor in found["weights"].values())


def measurements(out):
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "time")} for row in read_metrics(out)]


def rows(out, kind):
    return [row for row in read_metrics(out) if row["kind"] == kind]


def resumed(train, whole, at, *args, **options):
    """The run as it goes on from the checkpoint of a step."""
    cut = whole.with_name(f"{whole.name}-{at}")
    shutil.copytree(whole, cut)
    for path in (cut / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > at:
            shutil.rmtree(path)
    train(cut.name, *args, "--resume", **options)
    return cut


# --- going back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_run_goes_back_and_on_and_ends_the_same_wherever_it_is_resumed(backend, train, tmp_path):
    pytest.importorskip(backend)
    given = {"lr": EXPLODES, "backend": backend}
    policy = "{roll_back: {every: 20, most: 1}}"
    said = train("run", policy, "--checkpoint-every", 30, **given).stderr
    found = re.search(r"the loss is nan at step 43, in phase 3 of the schedule at lr 0\.05: (.*)", said)
    assert found[1] == "the run takes up the state of step 40 and goes on after step 44 (0 more times it may)"
    whole = tmp_path / "run"
    saved = [int(path.name.removeprefix("step-")) for path in sorted((whole / "checkpoints").iterdir())]
    assert saved == [20, 30, 40, 44, 60, 80]
    assert same(weights(whole, 44), weights(whole, 40))
    assert finite(weights(whole))
    assert [(row["step"], row["to"]) for row in rows(whole, "went back")] == [(44, 40)]
    assert all(math.isfinite(row["loss"]) for row in rows(whole, "train"))
    for at in (20, 40, 44, 60) if backend == "torch" else (40,):
        cut = resumed(train, whole, at, policy, "--checkpoint-every", 30, **given)
        assert same(weights(cut), weights(whole))
        assert measurements(cut) == measurements(whole)
    if backend == "torch":  # when checkpoints are written changes nothing: one would have been of step 42
        train("often", policy, "--checkpoint-every", 7, **given)
        assert same(weights(tmp_path / "often"), weights(whole))


def test_going_back_too_often_ends_the_run(train, tmp_path):
    lr = "[{value: 0.05, until: step 41}, {value: 1e30}]"
    said = train("run", "{roll_back: {every: 20, most: 2}}", lr=lr, code=1).stderr
    assert said.count("the run takes up the state of step 40") == 2
    assert re.search(r"^error: the loss is nan at step \d\d, .*; 2 times the run has gone back already; the checkpoint of step",
                     said, re.M)  # fmt: skip
    assert finite(weights(tmp_path / "run"))


def test_where_there_is_nothing_to_go_back_to_the_run_ends(train, tmp_path):
    said = train("run", "roll_back", lr="1e30", code=1).stderr
    assert "error: there is nothing to go back to: the first checkpoint for that is of step 1,000" in said
    assert store.newest(tmp_path / "run", None) is None


def test_weights_that_the_last_step_spoilt_are_taken_back(train, tmp_path):
    lr = "[{value: 0.05, until: step 79}, {value: 1e39}]"
    said = train("run", "{roll_back: {every: 20}}", lr=lr).stderr
    assert "the weights are not finite after step 80" in said
    assert same(weights(tmp_path / "run", 80), weights(tmp_path / "run", 60))


# --- leaving out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_updates_of_spikes_are_left_out_and_the_run_ends_the_same_when_resumed(backend, train, tmp_path):
    pytest.importorskip(backend)
    policy, given = "{skip: {spike: 1.05, most: 60}}", (*NOISY, "--checkpoint-every", 255)
    said = train("run", policy, *given, backend=backend).stderr
    skipped = rows(tmp_path / "run", "skipped")
    assert 1 <= len(skipped) < 40
    assert skipped[0]["step"] > 100, "before so many steps there is no mean"
    assert f"its update is left out ({60 - len(skipped)} more may be)" in said
    assert re.search(
        r"the loss is [\d.]+, more than 1\.05 times the mean before it \([\d.]+\), at step \d\d\d", said
    )
    cut = resumed(train, tmp_path / "run", 255, policy, *given, backend=backend)
    assert same(weights(cut), weights(tmp_path / "run"))
    assert measurements(cut) == measurements(tmp_path / "run")


def test_a_net_that_has_diverged_is_not_skipped_over_for_ever(train, tmp_path):
    said = train("run", "{skip: {most: 5}}", "--checkpoint-every", 20, lr=EXPLODES, code=1).stderr
    assert len(rows(tmp_path / "run", "skipped")) == 5
    assert re.search("^error: the loss is nan at step 48, .*; 5 updates have been left out already; "
                     "the checkpoint of step 40 stands\n  help: lower the learning rate", said, re.M)  # fmt: skip
    assert finite(weights(tmp_path / "run"))


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_step_that_is_left_out_changes_nothing(backend, tmp_path):
    pytest.importorskip(backend)
    (tmp_path / "small.yaml").write_text(SPEC)
    net = archspec.load(tmp_path / "small.yaml", set={"train.bad_loss": "skip"})
    if backend == "torch":
        from archspec_torch.trainer import Torch as Framework
    else:
        from archspec_flax.trainer import Flax as Framework
    options = Options(device="cpu", compile="off")
    job = effective(Job.from_dict(job_fields(net)), options)
    dataset = open_dataset(Data(dataset="digits"), None, input_shape=job.input_shape, classes=10, seed=0)
    normalization = measure("none", dataset.train, job.input_shape)
    batches = Batches(dataset.train, job.recipe.data, 32, 0, job.input_shape, normalization)

    def model(**_):
        return archspec.build(net, backend, seed=0)

    framework = Framework().stating(training(backend, net, job))
    settings, _ = framework.settle(model, job, options, "cpu", 10)
    stepper = framework.stepper(model, job, dataset, normalization, "cpu", settings, World(), options)
    stepper.step(batches.at(0), 0.1, 0, math.inf)
    before = stepper.snapshot().files()
    stepper.step(batches.at(1), 0.1, 1, 0.5)
    assert stepper.snapshot().files() == before
    stepper.step(batches.at(2), 0.1, 2, math.inf)
    assert stepper.snapshot().files() != before
    stepper.step(batches.at(3), math.nan, 3, math.inf)  # a finite loss, and weights that no longer are
    for number in range(4, 30):  # more than are remembered on the device
        stepper.step(batches.at(number), 0.1, number, math.inf)
    outcomes = stepper.drain()
    assert [outcome.updated for outcome in outcomes] == [True, False, True, True, *[False] * 26]
    assert all(math.isfinite(outcome.loss) for outcome in outcomes[:4])
    assert all(math.isnan(outcome.loss) for outcome in outcomes[4:])


# --- stopping ------------------------------------------------------------------------------------------


def test_a_spike_ends_a_run_that_is_to_stop_at_spikes(train, tmp_path):
    said = train("run", "{stop: {spike: 1.05}}", *NOISY, code=1).stderr
    assert re.search(r"^error: the loss is [\d.]+, more than 1\.05 times the mean before it \([\d.]+\), at step \d+, in phase 1 "
                     r"of the schedule at lr 0\.05; there is no checkpoint yet$", said, re.M)  # fmt: skip

"""Checkpoints: written beside the steps, whole at every moment, kept as asked."""

import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.checkpoints import saver as writer
from archspec_runtime.checkpoints import store
from archspec_runtime.checkpoints.saver import Saver
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.images import Data
from archspec_runtime.recipe.recipe import Keep, Recipe
from loops import tries
from trainers import training

JOB = Job(
    name="counter", input_shape=(1, 8, 8), classes=10, macs=1, params=1, kept=1, fingerprint="net", recipe=Recipe(steps=9)
)  # fmt: skip


class Counter:
    """A stepper whose state is a number, with a gate that writing has to pass."""

    def __init__(self):
        self.value = 0.0
        self.gate = threading.Event()
        self.gate.set()

    def snapshot(self):
        return Copy(self.value, self.gate)

    def load(self, folder):
        self.value = float(load((folder / "weights.safetensors").read_bytes())["value"])


class Copy:
    def __init__(self, value, gate):
        self.value, self.gate = value, gate

    def finite(self):
        return bool(np.isfinite(self.value))

    def files(self):
        assert self.gate.wait(600)
        if self.value < 0:
            raise RunError("below zero", "count upwards")
        return {"weights.safetensors": save({"value": np.array(self.value)})}


@pytest.fixture
def saver(tmp_path):
    return Saver(tmp_path, JOB, Options(), 100, World())


def written(folder):
    return [path.name for path in sorted((folder / "checkpoints").glob("step-*"))]


def test_a_step_does_not_wait_for_its_checkpoint_which_holds_the_state_of_its_step(saver, tmp_path):
    counter = Counter()
    counter.gate.clear()
    counter.value = 1.0
    with saver:
        saver.save(counter, 10, {"latest": "here"})
        counter.value = 2.0  # the steps go on
        assert saver.writer.busy
        assert written(tmp_path) == []
        assert not saver.due(20, True, {}), "by the clock no checkpoint is due while one is written"
        counter.gate.set()
        assert saver.finish() == 10
    path, manifest = store.newest(tmp_path, "net")
    assert manifest["step"] == 10
    state = saver.resume(counter)
    assert (counter.value, state["step"], state["latest"]) == (1.0, 10, "here")
    assert path.name == "step-00000010"


def test_one_checkpoint_is_written_at_a_time(saver, tmp_path):
    counter = Counter()
    counter.gate.clear()
    saver.save(counter, 10, {})
    threading.Timer(0.05, counter.gate.set).start()
    saver.save(counter, 20, {})
    assert "step-00000010" in written(tmp_path)
    assert saver.finish() == 20
    assert written(tmp_path) == ["step-00000010", "step-00000020"]


def test_what_goes_wrong_beside_the_steps_ends_the_run_at_the_next_one(saver, tmp_path):
    counter = Counter()
    saver.save(counter, 10, {})
    saver.finish()
    counter.value = -1.0
    saver.save(counter, 20, {})
    while saver.writer.busy:
        time.sleep(0.001)
    assert saver.failed
    counter.value = 1.0
    with pytest.raises(RunError, match="below zero"):
        saver.save(counter, 30, {})
    assert written(tmp_path) == ["step-00000010"]


def test_what_was_begun_before_an_error_is_written(saver, tmp_path):
    counter = Counter()
    counter.gate.clear()

    def steps():
        with saver:
            saver.save(counter, 10, {})
            threading.Timer(0.05, counter.gate.set).start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        steps()
    assert written(tmp_path) == ["step-00000010"]


def test_numbers_that_are_not_finite_are_not_written(saver, tmp_path):
    counter = Counter()
    saver.save(counter, 10, {})
    counter.value = float("nan")
    assert not saver.save(counter, 20, {})
    assert saver.kept() == "the checkpoint of step 10 stands"
    assert written(tmp_path) == ["step-00000010"]


def test_a_disk_that_does_not_answer_is_named_and_waited_for_no_longer_than_said(saver, monkeypatch, capsys):
    monkeypatch.setattr(writer, "SILENCE", 0.02)
    monkeypatch.setattr(writer, "PATIENCE", 0.1)
    counter = Counter()
    counter.gate.clear()
    saver.save(counter, 10, {})
    with pytest.raises(RunError, match=r"the checkpoint of step 10 .* is not done\n  help: see whether its disk"):
        saver.finish()
    assert "warning: the checkpoint of step 10 has been written for 0 seconds" in capsys.readouterr().err
    counter.gate.set()


# --- which stay ----------------------------------------------------------------------------------------


def left(tmp_path, keep, errors=(), every=10, upto=60, **options):
    """The steps whose checkpoints are left when each tenth is saved."""
    saver = Saver(tmp_path, replace(JOB, recipe=Recipe(steps=9, keep=keep)), Options(), 1000, World(), **options)
    counter, errors = Counter(), dict(errors)
    for step in range(every, upto + 1, every):
        measured = {"test_error": errors[step]} if step in errors else {}
        saver.save(counter, step, {}, measured)
    saver.finish()
    return [int(name.removeprefix("step-")) for name in written(tmp_path)], saver


ERRORS = {10: 9.0, 20: 5.0, 30: 5.0, 40: 7.0}


@pytest.mark.parametrize(
    ("keep", "errors", "options", "expected"),
    [
        (Keep(), {}, {}, [50, 60]),
        (Keep(last=1), {}, {}, [60]),
        (Keep(last=9), {}, {}, [10, 20, 30, 40, 50, 60]),
        (Keep(last=1, every=20), {}, {}, [20, 40, 60]),
        (Keep(last=1, best="test_error"), ERRORS, {}, [20, 60]),
        (Keep(last=2, best="test_error", every=30), ERRORS, {}, [20, 30, 50, 60]),
        (Keep(last=1, best="test_error"), {60: 1.0}, {}, [60]),
        (Keep(last=1, best="val_error"), ERRORS, {}, [60]),
        (Keep(last=1), {}, {"anchors": 40}, [40, 60]),
        (Keep(last=1), {}, {"anchors": 70}, [60]),
    ],
    ids=str,
)
def test_what_is_asked_for_stays_and_nothing_else(keep, errors, options, expected, tmp_path):
    assert left(tmp_path, keep, errors, **options)[0] == expected


def test_the_newest_whole_one_stays_where_later_ones_are_damaged(tmp_path):
    left(tmp_path, Keep(last=3), upto=30)
    for step in (20, 30):
        (store.place(tmp_path, step) / "weights.safetensors").write_bytes(b"")
    saver = Saver(tmp_path, replace(JOB, recipe=Recipe(steps=9, keep=Keep(last=1))), Options(), 1000, World())
    counter = Counter()
    assert saver.resume(counter)["step"] == 10
    saver.save(counter, 11, {})
    saver.finish()
    assert written(tmp_path) == ["step-00000011"]
    assert store.newest(tmp_path, "net")[1]["step"] == 11


def test_a_resumed_run_knows_the_best_of_before(tmp_path):
    keep = Keep(last=1, best="test_error")
    _, saver = left(tmp_path, keep, ERRORS)
    assert not saver.due(61, True, {"test_error": 5.0})
    again = Saver(tmp_path, saver.job, Options(), 1000, World())
    again.resume(Counter())
    assert not again.due(61, True, {"test_error": 5.0})
    assert again.due(61, True, {"test_error": 4.9})
    assert again.described_best() == f"the lowest test error, 5.00%, is that of {store.place(tmp_path, 20)}"


NET = """archspec: 1
name: net
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 4, kernel: 3}}}, {bn1: batch_norm}, {r: relu}, {d: {dropout: {rate: 0.2}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {steps: 9, batch_size: 32, optimizer: adamw, ema: 0.9}
"""


# --- both backends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_snapshot_is_not_changed_by_the_steps_after_it(backend, tmp_path):
    pytest.importorskip(backend)
    (tmp_path / "net.yaml").write_text(NET)
    net = archspec.load(tmp_path / "net.yaml")
    if backend == "torch":
        from archspec_torch.trainer import Torch as Framework
    else:
        from archspec_flax.trainer import Flax as Framework
    options = Options(device="cpu", compile="off")
    job = effective(Job.from_dict(job_fields(net)), options)
    recipe = job.recipe
    dataset = open_dataset(Data(dataset="digits"), None, input_shape=job.input_shape, classes=10, seed=0)
    normalization = measure(recipe.data.normalize, dataset.train, job.input_shape)
    batches = Batches(dataset.train, recipe.data, 32, 0, job.input_shape, normalization)

    model = type(archspec.build(net, backend))
    framework = Framework().stating(training(backend, net, job))
    settings, _ = framework.settle(model, job, options, "cpu", 10)
    stepper = framework.stepper(model, job, dataset, normalization, "cpu", settings, World(), options)
    stepper.step(batches.at(0), 0.1, 0)
    early, late = stepper.snapshot(), stepper.snapshot()
    at_once = early.files()
    for number in range(1, 4):
        stepper.step(batches.at(number), 0.1, number)
    stepper.drain()
    found = {}
    thread = threading.Thread(target=lambda: found.update(late.files()))  # as a run does
    thread.start()
    thread.join()
    assert found == at_once
    assert stepper.snapshot().files()["weights.safetensors"] != at_once["weights.safetensors"]


# --- kill -9 -------------------------------------------------------------------------------------------


KILLS = tries(40, 1000)
PROGRAM = f"""
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from safetensors.numpy import load, save
from archspec_runtime.checkpoints import store
from archspec_runtime.job.job import Job, Options
from archspec_runtime import Recipe
from archspec_runtime.checkpoints.saver import Saver
from archspec_runtime.processes.world import World

FOLDER = Path(sys.argv[1])
JOB = Job(name="net", input_shape=(1, 8, 8), classes=10, macs=1, params=1, kept=1, fingerprint="net", recipe=Recipe(steps=1))


class Numbers:
    def snapshot(self):
        return Copy(self.values)

    def load(self, folder):
        self.values = load((folder / "weights.safetensors").read_bytes())["values"]


class Copy:
    def __init__(self, values):
        self.values = values.copy()

    def finite(self):
        return True

    def files(self):
        return {{"weights.safetensors": save({{"values": self.values}}), "state": self.values.tobytes()}}


def train(pipe):
    "Resume, and save every step until killed; each step that is known to be saved is told."
    saver, numbers = Saver(FOLDER, JOB, Options(), 10**9, World()), Numbers()
    state = saver.resume(numbers)
    step = begun = state["step"] if state else 0
    if step:
        assert state["sum"] == float(numbers.values.sum()) and (numbers.values == step).all(), "a torn checkpoint"
    os.write(pipe, f"r{{step}}\\n".encode())
    while True:
        step += 1
        numbers.values = np.full(20_000, step, np.float32)
        saver.save(numbers, step, {{"sum": float(numbers.values.sum())}})
        if saver.saved > begun:
            os.write(pipe, f"s{{saver.saved}}\\n".encode())


draw = random.Random(7)
standing = 0
for _ in range({KILLS}):
    reader, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            train(pipe)
        finally:
            os._exit(1)
    os.close(pipe)
    begun, told = time.monotonic(), b""
    while b"s" not in told:
        told += os.read(reader, 4096) or sys.exit("the child has failed")
    time.sleep(draw.uniform(0, 1.5) * min(0.1, time.monotonic() - begun))  # within the next one or two
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reader, 1 << 16):
        told += more
    os.close(reader)
    steps = [int(word[1:]) for word in told.split(b"\\n")[:-1]]
    assert steps[0] >= standing, "what was saved is gone"
    standing = max(standing, *steps)
    found = store.newest(FOLDER, "net")
    assert (found[1]["step"] if found else 0) >= standing, "what was saved is gone"
print(standing)
"""


@pytest.mark.longer
def test_kills_inside_a_write_never_lose_what_was_saved(tmp_path):
    """A process that saves all the time, killed at random moments and resumed: each time from a whole checkpoint."""
    command = [sys.executable, "-c", PROGRAM, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, "a checkpoint was damaged"
    assert int(done.stdout) > KILLS, "not every process came to save something"
    left = list((tmp_path / "checkpoints").iterdir())
    assert len([path for path in left if path.name.startswith("step-")]) <= 3
    assert len(left) <= 5, "what was half written or half removed is left behind"

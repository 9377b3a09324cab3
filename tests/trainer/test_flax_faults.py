"""Faults in runs with the Flax backend: the same ends as with PyTorch."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from archspec_runtime.checkpoints import store
from runs import MAIN, fill, newest, same, tree, weights

pytest.importorskip("flax.nnx")

SMALL = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
head: [flatten, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, holdout: 200, augment: [hflip], normalize: per_channel}
  batch_size: 64
  steps: 1500
  optimizer: {sgd: {momentum: 0.9}}
  lr: [{value: 0.05, until: step 700}, {cosine: {from: 0.05, to: 0}}]
"""
EVERY = ("--checkpoint-every", "100", "--eval-every", "1000")
FLAX = ("--backend", "flax", "--device", "cpu", "--threads", "1")


@pytest.fixture
def train(cli, tmp_path):
    """Train in this process; gives what it said."""
    (tmp_path / "small.yaml").write_text(SMALL)

    def run(out, *args, code=0):
        result = cli("train", "small.yaml", "--out", out, *FLAX, *args)
        assert result.exit_code == code, result.output
        return result.stderr

    return run


def processes(launcher):
    """Those that a launcher started, by rank."""
    found = {}
    for child in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        words = dict(w.partition("=")[::2] for w in Path(f"/proc/{child}/environ").read_text().split("\0"))
        if "RANK" in words:
            found[int(words["RANK"])] = int(child)
    return found


def reached(run, step, launcher):
    until = time.monotonic() + 200  # two processes compile on a machine that may be busy
    while not any(int(place.name[5:]) >= step for place in run.glob("checkpoints/step-*")):
        assert launcher.poll() is None, run.with_name("said").read_text()
        assert time.monotonic() < until, f"step {step} never came"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The weights of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "small.yaml").write_text(SMALL)
    given = ["train", folder / "small.yaml", "--out", folder / "run", *FLAX, *EVERY]
    done = CliRunner().invoke(app, [str(word) for word in given])
    assert done.exit_code == 0, done.output
    return weights(folder / "run")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found through /proc")
def test_where_a_process_is_killed_all_end_and_one_alone_ends_as_if_undisturbed(train, straight, tmp_path):
    many = ("small.yaml", "--out", "run", *FLAX, *EVERY, "--nproc", "2")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (
        open(tmp_path / "said", "w") as said,
        subprocess.Popen([*MAIN, "train", *many], cwd=tmp_path, stderr=said, env=environment) as launcher,
    ):
        reached(tmp_path / "run", 100, launcher)
        os.kill(processes(launcher)[1], signal.SIGKILL)
        assert launcher.wait(60) == 1
    (error,) = re.findall("^error: .*", (tmp_path / "said").read_text(), re.M)
    assert error == "error: process 0 of 2 has lost another one: it was killed, or its machine is gone"
    train("run", *EVERY, "--resume")
    for name, value in weights(tmp_path / "run").items():
        np.testing.assert_allclose(value, straight[name], rtol=0, atol=1e-5)


def test_a_signal_saves_a_checkpoint_and_the_run_goes_on_as_it_would_have(train, straight, tmp_path):
    def send():
        while not store.place(tmp_path / "run", 100).exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    (stopped,) = re.findall(r"stopped after step ([\d,]+)", train("run", *EVERY, code=143))
    assert newest(tmp_path / "run") == store.place(tmp_path / "run", int(stopped.replace(",", "")))
    train("run", *EVERY, "--resume")
    assert same(weights(tmp_path / "run"), straight)


def test_a_loss_that_is_not_finite_stops_the_run_and_the_last_good_checkpoint_stays(train, tmp_path):
    explodes = "train.lr=[{value: 0.05, until: step 45}, {value: 1e38}]"
    said = train("run", "--set", explodes, "--steps", 100, "--checkpoint-every", 20, code=1)
    assert re.search(r"the loss is (nan|inf) at step 4\d, in phase 2 .*; the checkpoint of step 40 stands", said)
    assert newest(tmp_path / "run").name == "step-00000040"
    assert all(np.isfinite(t).all() for t in weights(tmp_path / "run").values())


def test_a_disk_that_fills_while_training_is_said_and_the_last_checkpoint_is_whole(train, small_disk):
    disk = small_disk(4000)
    given = ("--steps", 40, "--checkpoint-every", 10)
    train(disk / "run", *given)
    shutil.rmtree(store.place(disk / "run", 40))
    before = tree(newest(disk / "run"))
    (disk / "run" / "curves.png").unlink()
    (disk / "run" / "curves.svg").unlink()
    fill(disk, 8)
    said = train(disk / "run", *given, "--resume", code=1)
    assert "error: the last step, 40, could not be saved; the checkpoint of step 30 stands" in said
    assert "warning: no checkpoint at step 40: No space left on device; the one before stands" in said
    assert newest(disk / "run").name == "step-00000030"
    assert tree(newest(disk / "run")) == before

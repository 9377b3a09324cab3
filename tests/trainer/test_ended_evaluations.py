"""Runs that are asked to end, or are killed, while they evaluate: heard between batches, and no step is lost."""

import os
import signal
import subprocess
import time

import pytest

from archspec_experiments.state import State, progress_of
from archspec_runtime.checkpoints import store
from archspec_runtime.record.folder import read_metrics
from runs import CPU, MAIN

# A step is a third of a second, and an evaluation of the 360 test images in batches of 8 takes many
SLOW = """archspec: 1
name: slow
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 640, kernel: 3}}}, {conv2: {conv: {out: 640, kernel: 3}}}, {r: relu}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: digits}, batch_size: 8, steps: 2, optimizer: {sgd: {}}, lr: 0.01}
"""
QUIET = {**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def begin(folder, *given):
    (folder / "slow.yaml").write_text(SLOW)
    words = ["train", "slow.yaml", "--out", "run", *CPU, *given]
    with open(folder / "log", "w") as log:
        return subprocess.Popen([*MAIN, *words], cwd=folder, env=QUIET, stdout=log, stderr=log)


def evaluating(folder, process):
    """Wait until the checkpoint of the last step is there, which is written before its evaluation."""
    until = time.monotonic() + 200
    while not (store.place(folder / "run", 2) / "manifest.json").exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    "given",
    [(), ("--backend", "flax"), pytest.param(("--nproc", "2"), marks=pytest.mark.long)],
    ids=["torch", "flax", "two"],
)
def test_a_signal_is_heard_while_a_run_evaluates_and_the_evaluation_is_made_up_for(given, tmp_path):
    run = begin(tmp_path, *given)
    try:
        evaluating(tmp_path, run)
        asked = time.monotonic()
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 143, (tmp_path / "log").read_text()
        assert time.monotonic() - asked < 20  # about a second where nothing else runs; all of it takes longer
    finally:
        run.kill()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert "stopped after step 2\n" in (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().count("go on with: archspec train run --resume\n") == 1
    assert not [row for row in read_metrics(tmp_path / "run") if row["kind"] == "eval"]
    assert progress_of(tmp_path / "run").state is State.cut
    if given:
        return
    again = begin(tmp_path, "--resume")  # and killed in the evaluation that it makes up for
    try:
        time.sleep(5)
    finally:
        again.kill()
        again.wait()
    assert begin(tmp_path, "--resume").wait(250) == 0, (tmp_path / "log").read_text()
    assert [row["step"] for row in read_metrics(tmp_path / "run") if row["kind"] == "eval"] == [2]
    assert progress_of(tmp_path / "run").state is State.finished
    assert begin(tmp_path, "--resume").wait(100) == 0
    assert "nothing is left to do" in (tmp_path / "log").read_text()

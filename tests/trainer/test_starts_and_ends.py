"""Starts and ends of runs on several processes, of the zoo's nets at their own batch sizes: each ends well, every time.

With `--long` some sixty of them, by every launcher, resumed and restarted too, and forty more before a release; else one
of PyTorch's of each kind: runs on several devices are in `test_many_devices.py`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archspec_runtime.record.folder import read_run
from runs import MAIN, forked

QUIET = {**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
NETS = ("digits_resnet:resnet8", "digits_resnet:plain8")
WAYS = {
    "ddp": ("--nproc", "2"),
    "fsdp2": ("--nproc", "2", "--shard"),
    "flax": ("--nproc", "2", "--backend", "flax"),
}
ENDS = forked("""
import os, sys, threading
from archspec_cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
tasks = sorted(os.listdir("/proc/self/task"), key=int)
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in tasks]
print([thread.name for thread in threading.enumerate()], [name for name in names if "gloo" in name or "store" in name])
""")


def train(folder, *given):
    """A short run; fails with what it said."""
    command = [*MAIN, "train", *given, "--device", "cpu"]
    done = subprocess.run(command, cwd=folder, env=QUIET, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "terminate" not in done.stderr
    return done.stderr


def free_port():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def by_hand(folder, command, *given):
    """What each of two processes says that are told of each other as torchrun does."""
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port())}
    words = [*command, "train", *given, "--device", "cpu"]
    started = [
        subprocess.Popen(words, cwd=folder, text=True, env={**QUIET, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=250) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], said
    return [out for out, _ in said]


@pytest.mark.parametrize("way", ["ddp", *(pytest.param(way, marks=pytest.mark.long) for way in ("fsdp2", "flax"))])
def test_a_net_of_the_zoo_trains_on_two_processes_at_its_own_batch_size(way, tmp_path):
    pytest.importorskip("jax" if way == "flax" else "torch")
    train(tmp_path, NETS[0], *WAYS[way], "--steps", "12", "--out", "run")
    assert read_run(tmp_path / "run")["job"]["recipe"]["batch_size"] == 128


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are found through /proc")
@pytest.mark.parametrize("given", [pytest.param((), marks=pytest.mark.long), ("--shard",)], ids=["ddp", "fsdp2"])
def test_no_thread_is_left_when_the_processes_of_a_run_end(given, tmp_path):
    """A thread that wants Python's lock while Python ends aborts the process, one time in some."""
    pytest.importorskip("torch")
    ema = ("--set", "train.ema=0.9")
    for said in by_hand(
        tmp_path, [sys.executable, "-c", ENDS], NETS[0], *given, *ema, "--steps", "2", "--out", "run"
    ):
        assert said.splitlines()[-1] == "['MainThread'] []"


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("way", WAYS)
def test_short_runs_end_well_every_time(way, part, tmp_path):
    pytest.importorskip("jax" if way == "flax" else "torch")
    for number in range({"ddp": 6, "fsdp2": 6, "flax": 4}[way]):
        out = f"run{number}"
        train(tmp_path, NETS[number % 2], *WAYS[way], "--steps", "2", "--out", out)
        if number % 3 == 2:
            train(tmp_path, NETS[number % 2], *WAYS[way], "--steps", "4", "--out", out, "--resume", "--override")


@pytest.mark.long
@pytest.mark.parametrize("given", [(), ("--shard",), ("--backend", "flax")], ids=["ddp", "fsdp2", "flax"])
def test_processes_that_another_launcher_started_end_well_every_time(given, tmp_path):
    pytest.importorskip("jax" if "flax" in given else "torch")
    for number in range(4):
        by_hand(tmp_path, MAIN, NETS[0], *given, "--steps", "2", "--out", f"run{number}")


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found through /proc")
@pytest.mark.parametrize("way", WAYS)
def test_a_run_whose_process_was_killed_is_restarted_and_ends_well_every_time(way, tmp_path):
    pytest.importorskip("jax" if way == "flax" else "torch")
    for number in range(2):
        out = tmp_path / f"run{number}"
        words = ["train", NETS[0], *WAYS[way], "--max-restarts", "1", "--checkpoint-every", "5", "--steps", "120",
                 "--device", "cpu", "--out", str(out)]  # fmt: skip
        with open(tmp_path / "log", "w") as log:
            run = subprocess.Popen([*MAIN, *words], env=QUIET, stdout=log, stderr=log)
        try:
            while not any((out / "checkpoints").glob("step-*")):
                assert run.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.05)
            os.kill(rank_of(run.pid, 1), signal.SIGKILL)
            assert run.wait(250) == 0, (tmp_path / "log").read_text()
        finally:
            run.kill()
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert rows[-1]["step"] == 120


def rank_of(launcher, rank):
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        words = dict(w.partition("=")[::2] for w in Path(f"/proc/{child}/environ").read_text().split("\0"))
        if words.get("RANK") == str(rank):
            return int(child)
    raise AssertionError("no such process")


@pytest.mark.long
def test_a_mesh_of_devices_starts_and_ends_well_every_time(tmp_path):
    pytest.importorskip("jax")
    two = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    for number in range(6):
        words = [*MAIN, "train", NETS[number % 2], "--backend", "flax", "--devices", "2", "--steps", "2",
                 "--device", "cpu", "--out", f"run{number}"]  # fmt: skip
        done = subprocess.run(
            words, cwd=tmp_path, env={**QUIET, **two}, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stderr

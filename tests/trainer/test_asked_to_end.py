"""Runs that are in use or asked to end: who holds a folder is said, and what is saved goes on to the same weights."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec_runtime.checkpoints import store
from archspec_runtime.draws import epoch_order
from runs import CPU, said, tree

torch = pytest.importorskip("torch")

NET = "digits_resnet:resnet8"
MAIN = [sys.executable, "-c", "from archspec_cli.main import main; main()"]


def test_a_second_run_in_one_folder_says_who_holds_it_and_touches_nothing(cli, tmp_path):
    given = ("train", NET, "--out", tmp_path / "run", *CPU)
    first = subprocess.Popen([*MAIN, *map(str, given), "--steps", "100000", "--eval-every", "1000"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    with first:
        try:
            while not (tmp_path / "run" / "metrics.jsonl").exists():
                assert first.poll() is None, first.stderr.read()
                time.sleep(0.01)
            for how in ((), ("--resume",), ("--force",), ("--force", "--set", "train.lr=1")):
                before = {
                    name: data for name, data in tree(tmp_path / "run").items() if name.name != "metrics.jsonl"
                }
                error = said(cli(*given, "--steps", 100000, *how), 1 if how else 2)
                if how:
                    assert f"is in use by process {first.pid} on " in error
                after = tree(tmp_path / "run")
                assert after.pop(Path("metrics.jsonl"), None), "the first run's metrics are gone"
                assert after == before
        finally:
            first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 143
    assert not (tmp_path / "run" / "lock").exists()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_second_interrupt_ends_a_run_at_once_and_a_second_request_does_not(second):
    program = f"""
import os, signal, time
from archspec_runtime.processes.signals import Signals
with Signals() as signals:
    os.kill(os.getpid(), signal.SIGINT)
    assert signals.received == 130
    os.kill(os.getpid(), {int(second)})
    print("the step ends, and the checkpoint is written")
raise SystemExit(signals.received)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert bool(done.stdout) == (second == signal.SIGTERM)


PHOTOS = """archspec: 1
name: photos
input: {channels: 3, size: 8}
classes: 2
stem: [{conv1: {conv: {out: 4, kernel: 3}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: image_folder, augment: [{random_crop: {}}]}, batch_size: 4, steps: 6, lr: 0.01}
"""


@pytest.fixture
def photos(tmp_path):
    """A spec, and a folder of images for it."""
    random = np.random.default_rng(0)
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    for split, count in (("train", 12), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 255, (9, 9, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / split / name / f"{index}.png")
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_is_asked_to_end_while_a_disk_does_not_answer_saves_and_goes_on_later(workers, cli, photos):
    given = ("photos.yaml", "--data", "data", *CPU, "--workers", workers, "--checkpoint-every", 1)
    assert cli("train", *given, "--out", "whole").exit_code == 0
    label, place = divmod(int(epoch_order(0, 0, 24)[-1]), 12)
    last = photos / "data" / "train" / ("cat", "dog")[label] / f"{sorted(map(str, range(12)))[place]}.png"
    content = last.read_bytes()

    code = f"""
import os
from archspec_runtime.batches import timeouts
from archspec_runtime.run import session
timeouts.HURRY, say = 0.1, session.say
def said(text):  # once the images are listed and measured, one becomes what can be opened and never answers
    os.remove({str(last)!r})
    os.mkfifo({str(last)!r})
    say(text)
session.say = said
{MAIN[-1]}
"""
    words = [sys.executable, "-c", code, "train", *map(str, given), "--out", "cut"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as run:
        while not store.place(photos / "cut", 5).exists():
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.01)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 143
        said = run.stderr.read()
    assert f"asked to end while {last.relative_to(photos)} was waited for" in said
    assert "go on with: archspec train cut --resume" in said
    last.unlink()
    last.write_bytes(content)
    assert cli("train", *given, "--out", "cut", "--resume").exit_code == 0
    newest = [store.newest(Path(out), None)[0] / "weights.safetensors" for out in ("whole", "cut")]
    assert newest[0].read_bytes() == newest[1].read_bytes()

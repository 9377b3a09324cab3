"""What a run says before there are losses to show: what takes long, and the time that is left."""

import time

import pytest

from archspec_runtime.run import loop, progress
from archspec_runtime.run.progress import Progress, said_if_slow
from runs import CPU


def test_what_takes_long_is_said_and_what_does_not_is_not(capsys):
    with said_if_slow("reading", after=0.01):
        time.sleep(0.1)
    with said_if_slow("measuring", after=5.0):
        pass
    with said_if_slow("elsewhere", after=0.01, silent=True):
        time.sleep(0.05)
    assert capsys.readouterr().err == "reading ...\n"


def test_the_time_that_is_left_is_told_after_two_slow_steps(capsys, monkeypatch):
    shown = Progress(100, 0, 20)
    shown.begin(1)
    shown.first_steps(1)
    shown.first_steps(2)
    assert capsys.readouterr().err == ""  # of steps this fast there will be a line soon
    monkeypatch.setattr(progress, "EVERY", 0.0)
    shown.begin(1)
    time.sleep(0.05)
    shown.first_steps(1)
    shown.first_steps(2)
    assert capsys.readouterr().err.startswith("step 2/100  about 0:0")


def test_a_first_step_that_takes_long_is_said_once(cli, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(loop, "SLOW_STEP", 0.0)
    result = cli("train", "digits_resnet:resnet8", "--steps", 25, "--out", "run", *CPU)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("taking the first steps ...\n") == 1

"""Losses and weights that are not finite stop a run, and what was good stays."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from runs import newest, weights

pytest.importorskip("torch")

EXPLODES = "train.lr=[{value: 0.1, until: step 45}, {value: 1e30}]"


def test_a_loss_that_is_not_finite_stops_the_run_and_the_last_good_checkpoint_stays(train):
    given = ("--set", EXPLODES, "--steps", 100, "--checkpoint-every", 20)
    result = train("digits_resnet:resnet8", "run", *given, code=1)
    message = (
        r"the loss is (nan|inf) at step 4\d, in phase 2 of the schedule at lr 1e\+30; the checkpoint of step 40"
    )
    assert re.search(message, result.stderr)
    assert "help: lower the learning rate" in result.stderr
    assert newest(Path("run")).name == "step-00000040"
    assert all(np.isfinite(t).all() for t in weights(Path("run")).values())
    assert not Path("run/lock").exists()
    for line in Path("run/metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize("steps", [100, 40], ids=["on the way", "at the end"])
def test_weights_that_are_not_finite_are_never_saved(train, steps):
    lr = "train.lr=[{value: 0.1, until: step 39}, {value: 1e39}]"
    train("digits_resnet:resnet8", "run", "--set", lr, "--steps", steps, "--checkpoint-every", 20, code=1)
    assert newest(Path("run")).name == "step-00000020"
    assert all(np.isfinite(t).all() for t in weights(Path("run")).values())
    for line in Path("run/metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

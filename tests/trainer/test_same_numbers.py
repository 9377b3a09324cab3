"""The same numbers again: twice, after a kill or a signal, and however often something is written."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runs import CPU, MAIN, TINY, measurements, newest, same, weights

pytest.importorskip("torch")


def test_one_seed_gives_the_same_weights_twice_and_another_seed_others(tiny, train):
    for out, seed in (("one", 5), ("again", 5), ("other", 6)):
        train(tiny, out, "--steps", 25, "--seed", seed)
    assert same(weights(Path("one")), weights(Path("again")))
    assert measurements(Path("one")) == measurements(Path("again"))
    assert not same(weights(Path("one")), weights(Path("other")))


@pytest.mark.parametrize("seed", [2**44, 2**63, 10**30])
def test_a_seed_of_any_size_works_or_is_refused(tiny, cli, seed, tmp_path):
    result = cli("train", tiny, "--out", tmp_path / "run", "--steps", 1, "--seed", seed, *CPU)
    assert result.exit_code == 0 or "seed" in result.stderr


def start(tmp_path, *args):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([*MAIN, "train", *map(str, args), *CPU], cwd=tmp_path, env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip


def wait_for(path, process):
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    raise AssertionError(f"{path} never came")


def test_a_killed_run_ends_with_the_same_weights_and_metrics_as_one_that_was_not(tiny, train, tmp_path):
    every = ("--checkpoint-every", 20)
    train(tiny, "straight", *every)
    phases = [row["lr"] for row in measurements(Path("straight")) if row["kind"] == "train"]
    assert phases[0] == 0.02
    assert 0.05 < max(phases) <= 0.1
    assert phases[-1] < 0.01
    with start(tmp_path, tiny, "--out", "killed", *every) as process:
        wait_for(tmp_path / "killed" / "checkpoints" / "step-00000100", process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "curves.png").exists(), "the run ended before it was killed"
    train(tiny, "killed", "--resume", *every)
    for name in ("weights", "average", "normalization"):
        assert same(weights(Path("killed"), name), weights(Path("straight"), name))
    assert measurements(Path("killed")) == measurements(Path("straight"))
    assert not (tmp_path / "killed" / "lock").exists()


@pytest.mark.parametrize("damage", [b"\x00", b""], ids=["one byte", "emptied"])
def test_a_damaged_checkpoint_is_said_and_the_run_goes_on_from_the_one_before(tiny, train, damage):
    train(tiny, "run", "--checkpoint-every", 20)
    before = weights(Path("run"))
    file = newest(Path("run")) / "state.pt"
    whole = file.read_bytes()
    file.write_bytes(whole[:5000] + damage + whole[5001:] if damage else b"")
    result = train(tiny, "run", "--checkpoint-every", 20, "--resume")
    assert "state.pt is damaged: its checksum differs; trying the one before" in result.stderr
    assert same(weights(Path("run")), before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143)], ids=["TERM"])  # Ctrl-C: test_interrupts
def test_a_signal_saves_a_checkpoint_and_the_run_goes_on_as_it_would_have(number, code, train, tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(
        TINY.replace("{value: 0.02, until: train_error < 80% or step 90}", "{value: 0.02, until: step 90}")
    )
    long = ("--steps", 400, "--eval-every", 3)
    with start(tmp_path, spec, "--out", "run", *long) as process:
        wait_for(tmp_path / "run" / "metrics.jsonl", process)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == code, said
    stopped = int(re.search(r"stopped after step ([\d,]+)", said)[1].replace(",", ""))
    assert newest(tmp_path / "run").name == f"step-{stopped:08d}"
    assert "Traceback" not in said
    train(spec, "run", *long, "--resume")
    train(spec, "straight", *long)
    assert same(weights(Path("run")), weights(Path("straight")))


@pytest.mark.parametrize("every", [3, 20])
def test_how_often_checkpoints_are_written_does_not_change_the_weights(train, every):
    given = (
        "digits_resnet:resnet8",
        "--steps",
        40,
        "--set",
        "train.lr=[{value: 0.1, until: train_loss < 0.5}, {value: 0}]",
    )
    train(given[0], "never", *given[1:])
    rates = [row["lr"] for row in measurements(Path("never")) if row["kind"] == "train"]
    assert set(rates) == {0.1, 0.0}
    train(given[0], "often", *given[1:], "--checkpoint-every", every)
    assert same(weights(Path("often")), weights(Path("never")))


@pytest.mark.parametrize("every", [1, 2])
def test_a_plateau_is_counted_in_epochs_however_often_is_evaluated(tiny, train, every):
    tiny.write_text(TINY.replace("{bn1: batch_norm}, ", ""))  # so that nothing changes at a rate of zero
    lr = "train.lr=[{value: 0, until: plateau 4}, {value: 0.1}]"
    result = train(tiny, "run", "--steps", 200, "--set", lr, "--set", "train.ema=null", "--eval-every", every)
    ends = (every + 4) * (1237 // 64)
    assert re.search(rf"^step {ends:,}: .*no lower error for 4 epochs.*lr is now 0\.1$", result.stderr, re.M)

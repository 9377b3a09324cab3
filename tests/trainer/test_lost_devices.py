"""Runs on many processes of which one fails, dies or hangs: all end within a bound, one says why, nothing is lost."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from archspec_runtime.checkpoints import store
from archspec_runtime.errors import RunError
from archspec_runtime.processes import launch as launching
from archspec_runtime.processes.launch import launch
from archspec_runtime.processes.world import World, world_of

pytest.importorskip("torch")

TRAIN = [sys.executable, "-m", "archspec_cli", "train", "digits_resnet:resnet8"]
CPU = ("--device", "cpu", "--threads", "1", "--compile", "off", "--eval-every", "1000")
LONG = ("--steps", "5000", "--checkpoint-every", "10")


def start(folder, *given, command=TRAIN):
    """A run of many processes; what it says goes to a file."""
    with open(folder / "said", "w") as said:
        return subprocess.Popen(
            [*command, *map(str, given), *CPU], cwd=folder, stdout=said, stderr=said, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)},
        )  # fmt: skip


def workers(launcher):
    """The processes that a launcher started, by rank."""
    found = {}
    for child in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        environment = dict(
            word.split("=", 1) for word in Path(f"/proc/{child}/environ").read_text().split("\0") if "=" in word
        )
        if "RANK" in environment:
            found[int(environment["RANK"])] = int(child)
    return found


def wait_for(path, process):
    for _ in range(12000):
        if path.exists():
            return
        assert process.poll() is None, (process.args, Path(path.parents[2], "said").read_text())
        time.sleep(0.01)
    raise AssertionError(f"{path} never came")


def gone(pids):
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


def errors(folder):
    text = (folder / "said").read_text()
    assert "Traceback" not in text
    return re.findall("^error: .*", text, re.M)


linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found through /proc")


@linux
def test_a_killed_process_is_restarted_with_the_others_and_the_weights_are_those_of_an_undisturbed_run(tmp_path):
    given = ("--steps", 60, "--checkpoint-every", 10, "--nproc", 2)
    with start(tmp_path, *given, "--out", "killed", "--max-restarts", 1) as run:
        wait_for(store.place(tmp_path / "killed", 20), run)
        os.kill(workers(run)[1], signal.SIGKILL)
        assert run.wait(200) == 0, (tmp_path / "said").read_text()
    assert len(errors(tmp_path)) <= 1
    with start(tmp_path, *given, "--out", "straight") as run:
        assert run.wait(200) == 0
    assert errors(tmp_path) == []
    one, other = (
        load_file(store.place(tmp_path / name, 60) / "weights.safetensors") for name in ("killed", "straight")
    )
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@linux
@pytest.mark.parametrize("who", ["launcher", "one process"])
def test_a_signal_stops_all_after_the_same_step_with_a_checkpoint(who, tmp_path):
    with start(tmp_path, *LONG, "--nproc", 2, "--out", "run") as run:
        wait_for(store.place(tmp_path / "run", 10), run)
        started = workers(run)
        os.kill(run.pid if who == "launcher" else started[1], signal.SIGTERM)
        assert run.wait(60) == 143, (tmp_path / "said").read_text()
    (stopped,) = re.findall(r"stopped after step ([\d,]+)", (tmp_path / "said").read_text())
    found, _ = store.newest(tmp_path / "run", None)
    assert found == store.place(tmp_path / "run", int(stopped.replace(",", "")))
    assert errors(tmp_path) == []
    assert gone(started.values())


@linux
def test_a_process_that_hangs_is_waited_for_no_longer_than_said(tmp_path):
    with start(tmp_path, *LONG, "--nproc", 2, "--out", "run", "--timeout", 10) as run:
        wait_for(store.place(tmp_path / "run", 10), run)
        started = workers(run)
        os.kill(started[1], signal.SIGSTOP)
        for _ in range(6000):
            if "error: " in (tmp_path / "said").read_text():
                break
            time.sleep(0.01)
        os.kill(started[1], signal.SIGCONT)  # PyTorch's launcher waits for half a minute until it makes one end
        assert run.wait(60) == 1
    assert re.fullmatch(r"error: process 0 of 2 has waited .*", *errors(tmp_path))
    assert gone(started.values())
    assert store.newest(tmp_path / "run", None) is not None


@linux
def test_no_process_and_no_folder_is_left_behind_by_a_launcher_that_was_killed(tmp_path):
    with start(tmp_path, *LONG, "--nproc", 2, "--out", "run") as run:
        wait_for(store.place(tmp_path / "run", 10), run)
        started = workers(run)
        assert list(tmp_path.glob("archspec-*"))
        run.kill()
    assert gone(started.values())
    assert not list(tmp_path.glob("archspec-*"))


def test_what_a_user_got_wrong_is_said_once(tmp_path):
    given = ("--nproc", 2, "--steps", 5, "--set", "train.data.dataset=image_folder", "--data", "gone")
    with start(tmp_path, *given) as run:
        assert run.wait(100) == 1
    assert len(errors(tmp_path)) == 1
    assert "gone does not exist" in errors(tmp_path)[0]


def test_torchrun_starts_a_built_folder_and_a_loss_that_is_not_finite_is_said_once(cli, tmp_path):
    assert cli("build", "digits_resnet:resnet8", "--out", "built", "--set", "train.lr=1e30").exit_code == 0
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--standalone",
        *("-m", "archspec_cli", "train", "--from", "built"),
    ]
    with start(tmp_path, "--out", "run", "--steps", 40, command=torchrun) as run:
        assert run.wait(100) == 1
    text = (tmp_path / "said").read_text()
    assert len(re.findall("^error: the (loss is|weights are)", text, re.M)) == 1, text


@pytest.mark.parametrize(
    ("environment", "says", "code"),
    [
        ({"WORLD_SIZE": "3", "RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"},
         "a batch of 128 cannot be shared equally by 3 devices\n  help: take 2 or 4 devices", 1),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, and RANK, MASTER_ADDR and MASTER_PORT do not fit it", 2),
        ({"WORLD_SIZE": "two"}, "are numbers", 2),
    ],
    ids=["uneven", "half told", "no number"],
)  # fmt: skip
def test_a_world_that_cannot_be_is_refused(environment, says, code, cli, monkeypatch, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = cli("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 1, *CPU)
    assert result.exit_code == code
    assert says in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("end", "says"),
    [("os.abort()", "gave itself up (SIGABRT), as JAX does where another one hangs"),
     ("os.kill(os.getpid(), 9)", "was ended by SIGKILL\n  help: go on with --resume")],
    ids=["gives up", "is killed"],
)  # fmt: skip
def test_a_process_that_cannot_say_how_it_ended_is_spoken_for(end, says, capfd, monkeypatch):
    monkeypatch.setattr(launching, "SAY", 0.1)
    silent = f"import os, resource, time; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); {end}"
    waits = f"import os, time\nif os.environ['RANK'] == '0': time.sleep(60)\n{silent}"
    assert launch([sys.executable, "-c", waits], 2) == 1
    said = capfd.readouterr().err
    assert said.count("error: a process ") == 1
    assert says in said


def test_a_process_whose_peer_is_gone_has_the_time_to_say_so(capfd):
    code = "import os, sys, time\nif os.environ['RANK'] == '1': os.kill(os.getpid(), 9)\ntime.sleep(0.5)\nsys.exit('lost')"
    assert launch([sys.executable, "-c", code], 2) == 1
    assert "lost\n" in capfd.readouterr().err


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_shares_and_pieces_are_everything_once(size):
    worlds = [World(rank, size) for rank in range(size)]
    shares = [range(64)[world.share(64)] for world in worlds]
    assert [i for share in shares for i in share] == list(range(64))
    for stop in (0, 3, 61):
        pieces = [range(100)[world.piece(0, stop)] for world in worlds]
        assert [i for piece in pieces for i in piece] == list(range(stop))
        assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_what_the_first_process_cannot_do_fails_for_all():
    def fail():
        raise RunError("no", exit_code=2)

    with pytest.raises(RunError, match="no"):
        World().lead(fail)
    assert World().lead(lambda: 7) == 7
    assert world_of({}) == World()

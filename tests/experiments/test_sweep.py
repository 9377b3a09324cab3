"""Sweeps as a user runs them: the grid, what is kept and goes on, failures, signals, and the launchers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from archspec_experiments.grid import GridError, make_grid, parse_over
from archspec_runtime.record.folder import read_metrics

pytest.importorskip("torch")

CPU = ("--device", "cpu", "--threads", 1, "--compile", "off")
SMALL = ("digits_resnet", "--over", "n=1", "--over", "shortcut=none,zero_pad", "--steps", 12, *CPU)
MAIN = [sys.executable, "-m", "archspec_cli"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of two nets that came to its end: its folder and the process."""
    folder = tmp_path_factory.mktemp("swept")
    command = [*MAIN, "sweep", *map(str, SMALL), "--out", "out", "--jobs", "2"]
    return folder / "out", subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


# --- the grid ------------------------------------------------------------------------------------------


def test_values_are_split_at_commas_outside_brackets_and_quotes():
    axes = parse_over(["n=3,5", "train.lr=[{value: 0.1}, {value: 1}],[{value: 2}]", "name='a,b',c"])
    assert axes == {
        "n": ["3", "5"],
        "train.lr": ["[{value: 0.1}, {value: 1}]", "[{value: 2}]"],
        "name": ["'a,b'", "c"],
    }


@pytest.mark.parametrize("wrong", [["n"], ["n="], ["=3"], ["n=3,,4"], ["n=3,3"], ["n=3", "n=4"]])
def test_malformed_axes_are_misuse(wrong, cli):
    words = [word for axis in wrong for word in ("--over", axis)]
    result = cli("sweep", "digits_resnet", *words)
    assert result.exit_code == 2
    assert "--over" in result.output


def test_names_are_readable_stable_and_never_the_same():
    points = make_grid(["a.yaml"], {"n": ["1"], "train.lr": ["[{value: 0.1}]"]}, 2)
    assert [p.name for p in points] == ["n=1,train.lr=value-0.1,seed=0", "n=1,train.lr=value-0.1,seed=1"]
    nested = make_grid(["a.yaml"], {"shortcut": ["{highway: {bias: -1}}"], "n": ["-1"]}, 1)
    assert [p.name for p in nested] == ["shortcut=highway-bias--1,n=-1,seed=0"]
    alike = make_grid(["specs/a.yaml", "a:b"], {"name": ["x y", "X-y", "../../z", "é" * 400]}, 1)
    names = [p.name for p in alike]
    assert len({name.casefold() for name in names}) == 8
    assert names == [
        p.name for p in make_grid(["specs/a.yaml", "a:b"], {"name": ["x y", "X-y", "../../z", "é" * 400]}, 1)
    ]
    assert not [name for name in names if not re.fullmatch(r"[A-Za-z0-9._=+,~-]{1,130}", name)]
    with pytest.raises(GridError, match="points"):
        make_grid(["a"], {"n": [str(i) for i in range(101)]}, 100)


def test_dry_run_prints_the_grid_with_its_cost_and_writes_nothing(cli, tmp_path):
    result = cli("sweep", "cifar_resnet", "--over", "n=3,9", "--over", "shortcut=none,zero_pad", "--seeds", 2,
                 "--dry-run")  # fmt: skip
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == 9
    assert re.match(
        r"n=9,shortcut=zero_pad,seed=1 +cifar-resnet-56 +853,018 +125,485,696 +64,000 steps$", lines[-1]
    )
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_of_every_point_comes_in_one_run_before_anything_trains(cli, tmp_path):
    result = cli(
        "sweep", "digits_resnet", "--over", "n=0,1", "--over", "shortcut=nope,none,identity", "--over", "width=1"
    )
    assert result.exit_code == 1
    for part in ("--over width", "AS109"):
        assert part in result.output
    result = cli("sweep", "digits_resnet", "--over", "n=one,1", "--over", "shortcut=nope,none,identity")
    assert result.exit_code == 1
    for part in ("`nope`", "AS405"):
        assert part in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_backend_or_data_that_is_not_there_is_said_once(cli, tmp_path):
    assert "AS701" in cli("sweep", "digits_resnet", "--over", "n=1,2", "--backend", "torhc").output
    result = cli("sweep", *SMALL, "--data", "nowhere")
    assert result.exit_code == 2
    assert result.output.count("nowhere") == 1
    result = cli("sweep", *SMALL, "--data", ".")
    assert result.exit_code == 2
    assert result.output.count("digits takes no folder") == 1
    assert list(tmp_path.iterdir()) == []


# --- running -------------------------------------------------------------------------------------------


def test_a_sweep_leaves_a_folder_a_run_and_the_grid(swept):
    out, done = swept
    assert done.returncode == 0, done.stderr
    names = ["n=1,shortcut=none,seed=0", "n=1,shortcut=zero_pad,seed=0"]
    assert {p.name for p in out.iterdir()} == {*names, "logs", "sweep.json"}
    assert done.stderr.endswith("the runs are in out; draw them with: archspec report out\n")
    for name, line in zip(names, done.stdout.splitlines()[1:], strict=True):
        assert re.match(rf"{re.escape(name)} +12 +[\d.]+% +[\d.]+% +[\d.]+%  finished$", line)
        assert (out / name / "curves.png").is_file()
    sweep = json.loads((out / "sweep.json").read_text())
    assert [p["name"] for p in sweep["points"]] == names
    assert sweep["points"][0]["set"] == {"n": "1", "shortcut": "none"}


def test_called_again_it_keeps_what_is_finished_and_can_be_widened(swept, process, tmp_path):
    shutil.copytree(swept[0], tmp_path / "out")
    before = (tmp_path / "out" / "n=1,shortcut=none,seed=0" / "metrics.jsonl").stat().st_mtime_ns
    wider = [word if word != "shortcut=none,zero_pad" else "shortcut=none" for word in SMALL]
    done = process("sweep", *wider, "--seeds", 2, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is kept") == 1
    assert done.stderr.count("starts") == 1
    assert (tmp_path / "out" / "n=1,shortcut=none,seed=0" / "metrics.jsonl").stat().st_mtime_ns == before
    assert len(json.loads((tmp_path / "out" / "sweep.json").read_text())["points"]) == 3


def test_a_mistake_says_which_runs_have_it(cli):
    result = cli("sweep", "cifar_resnet", "--over", "n=1,2", "--over", "shortcut=none,identity", "--dry-run")
    assert result.exit_code == 1
    assert "(in n=1,shortcut=identity and 1 more)" in " ".join(result.output.split())


def test_runs_that_were_made_otherwise_are_not_taken_for_these(swept, cli, tmp_path):
    shutil.copytree(swept[0], tmp_path / "out")
    result = cli("sweep", *SMALL, "--out", "out", "--set", "train.batch_size=64")
    assert result.exit_code == 1
    assert "n=1,shortcut=none,seed=0: batch_size: 128 before, 64 now" in result.output


def test_weights_are_looked_at_before_anything_trains_and_compared_with_those_of_runs_that_are_there(
    swept, cli, tmp_path
):
    shutil.copytree(swept[0], tmp_path / "out")
    run = tmp_path / "out" / "n=1,shortcut=zero_pad,seed=0"
    result = cli("sweep", *SMALL, "--out", "out", "--weights", run, "--dry-run")
    assert result.exit_code == 1
    assert "n=1,shortcut=none,seed=0: it began with random weights" in result.output
    assert cli("sweep", *SMALL, "--out", "other", "--weights", run, "--dry-run").exit_code == 0
    result = cli("sweep", "digits_resnet", "--over", "n=1,2", "--weights", run, "--dry-run")
    assert result.exit_code == 1
    assert "does not fit" in result.output
    assert "--fresh" in cli("sweep", *SMALL, "--fresh", "fc", "--dry-run").output


def test_one_failing_run_does_not_end_the_rest(process, tmp_path):
    diverging = ("--over", "train.lr=[{value: 1e30}],[{value: 0.1}]")
    done = process("sweep", "digits_resnet:plain8", *diverging, "--steps", 22, "--out", "out", *CPU)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[1:]
    assert "failed: the loss is" in first or "failed: the weights are not finite" in first
    assert second.endswith("finished")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"])
def test_a_signal_stops_cleanly_and_the_sweep_goes_on_when_called_again(number, code, process, tmp_path):
    given = ["sweep", "digits_resnet:plain8", "--seeds", 2, "--steps", 150, "--eval-every", 9, "--out", "out", *CPU]
    running = subprocess.Popen([*MAIN, *map(str, given)], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)  # fmt: skip
    metrics = tmp_path / "out" / "seed=0" / "metrics.jsonl"
    for _ in range(6000):
        if metrics.exists():
            break
        time.sleep(0.01)
    running.send_signal(number)
    output, said = running.communicate(timeout=60)
    assert running.returncode == code, said
    assert "seed=0: stopped" in said
    assert "seed=1" in output, "the table has what was not started as well"
    assert re.search(r"^seed=0 .*unfinished$", output, re.MULTILINE)
    assert list((tmp_path / "out" / "seed=0" / "checkpoints").iterdir())
    if number == signal.SIGINT:
        return  # what is there is what the other signal leaves
    done = process(*given)
    assert done.returncode == 0, done.stderr
    assert "seed=0 is to go on" in done.stderr
    assert "seed=1 starts" in done.stderr
    assert done.stdout.count("finished") == 2
    steps = [row["step"] for row in read_metrics(metrics.parent) if row["kind"] == "train"]
    assert steps == sorted(set(steps))


def test_a_mistake_at_one_place_is_said_once_for_all_values(cli):
    result = cli("sweep", "digits_resnet", "--over", "n=a,b", "--dry-run")
    assert result.exit_code == 1
    assert "not 'b'" not in result.stderr
    assert result.stderr.count("error[") == " ".join(result.stderr.split()).count("(in n=a and 1 more)") > 0


# --- elsewhere -----------------------------------------------------------------------------------------


def test_the_slurm_script_is_one_array_of_all_runs(cli, tmp_path):
    result = cli("sweep", *SMALL, "--out", "my runs/100%", "--launcher", "slurm", "--jobs", 4)
    assert result.exit_code == 0, result.output
    script = tmp_path / "my runs" / "100%" / "sweep.sbatch"
    text = script.read_text()
    assert "#SBATCH --array=0-1%4\n" in text
    assert "100%%/logs" in text
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.mark.long  # bash starts Python, which imports all that a run needs, twice
def test_the_slurm_script_runs_and_goes_on(cli, tmp_path):
    cli("sweep", *SMALL, "--out", "my runs/100%", "--launcher", "slurm", "--jobs", 4)
    script = tmp_path / "my runs" / "100%" / "sweep.sbatch"
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "1"}
    for said in ("", "nothing is left to do"):
        done = subprocess.run(["bash", script], env=environment, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    assert (tmp_path / "my runs" / "100%" / "n=1,shortcut=zero_pad,seed=0" / "curves.png").is_file()


def test_ray_that_is_not_there_is_said(process, tmp_path):
    shadow = tmp_path / "shadow" / "ray"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('no ray here')")
    done = process("sweep", *SMALL, "--launcher", "ray", env={**os.environ, "PYTHONPATH": str(shadow.parent)})
    assert done.returncode == 1
    assert re.fullmatch(r"error: Ray does not import: no ray here\n  help: pip install .*\[ray\]'.*\n", done.stderr)
    assert not (tmp_path / "runs").exists()


def test_a_sweep_on_a_ray_cluster(process, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    environment.pop("RAY_ADDRESS", None)
    none = process("sweep", *SMALL, "--out", "out", "--launcher", "ray", env=environment)
    assert none.returncode == 1
    assert "there is no Ray cluster here" in none.stderr
    start = [
        *ray,
        "start",
        "--head",
        "--node-ip-address=127.0.0.1",
        "--port=0",
        "--num-cpus=2",
        "--include-dashboard=false",
        "--disable-usage-stats",
    ]
    started = subprocess.run(start, env=environment, capture_output=True, text=True, timeout=120)
    if started.returncode:
        pytest.skip(f"Ray does not start here: {started.stderr[-200:]}")
    try:
        done = process("sweep", *SMALL, "--out", "out", "--launcher", "ray", env=environment)
    finally:
        subprocess.run([*ray, "stop", "--force"], env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 2

"""The script for the first minutes on a GPU, small and on a CPU: stages are done once, and what fails stops nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
SCRIPT = Path(__file__).parents[2] / "bench" / "first_gpu.py"
sys.path.insert(0, str(SCRIPT.parent))
from first_gpu import STAGES  # noqa: E402
from warm import COLD  # noqa: E402


def script(out, *words, **environment):
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--out", str(out), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_a_stage_is_written_once_and_gone_over_when_started_again(tmp_path):
    done = script(tmp_path, "--only", "launches")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "launches.json").read_text())
    assert (found["stage"], found["ok"], found["device"]) == ("launches", True, "cpu")
    assert 0 < found["found"]["microseconds_a_launch"] < 10_000
    again = script(tmp_path, "--only", "launches")
    assert "launches: done before" in again.stdout
    assert [stage["stage"] for stage in json.loads((tmp_path / "summary.json").read_text())] == ["launches"]


def test_a_stage_that_takes_too_long_is_ended_and_told(tmp_path):
    done = script(tmp_path, "--only", "resuming", "launches", "--seconds", "5.5", **COLD)
    assert done.returncode == 1
    assert "took more than 5 seconds" in json.loads((tmp_path / "resuming.json").read_text())["failed"][0]
    assert "launches: no time left" in done.stdout


@pytest.mark.long
def test_all_of_it_works_small(tmp_path):
    pytest.importorskip("flax")
    done = script(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {stage["stage"]: stage for stage in json.loads((tmp_path / "summary.json").read_text())}
    assert list(found) == list(STAGES)
    assert found["same_numbers"]["found"]["torch-fp64"] == 0
    assert found["resuming"]["found"]["torch deterministic"]["same"]

"""The folder of a run: its metrics, and who holds it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from archspec_runtime.errors import RunError
from archspec_runtime.record.folder import Metrics, lock, read_metrics


def test_metrics_are_json_lines_and_a_line_that_a_kill_cut_off_is_dropped(tmp_path):
    metrics = Metrics(tmp_path)
    rows = [{"kind": "train", "step": step, "loss": 1 / step} for step in (1, 2, 3)]
    before = datetime.now(UTC)
    for row in rows:
        metrics.append(row)
    text = (tmp_path / "metrics.jsonl").read_text()
    written = [json.loads(line) for line in text.splitlines()]
    assert [{k: v for k, v in row.items() if k != "time"} for row in written] == rows
    times = [datetime.fromisoformat(row["time"]) for row in written]
    assert before - timedelta(seconds=1) < times[0] <= times[1] <= times[2] <= datetime.now(UTC)
    (tmp_path / "metrics.jsonl").write_text(text + '{"kind": "tra')
    assert read_metrics(tmp_path) == written
    metrics.rewind(2)
    metrics.append({"kind": "eval", "step": 4})
    metrics.append({"of": "something else"})
    assert read_metrics(tmp_path)[:2] == written[:2]
    assert [(row["kind"], row["step"]) for row in read_metrics(tmp_path)[2:]] == [("eval", 4)]


def test_a_folder_is_held_by_one_process_and_released(tmp_path):
    with lock(tmp_path):
        with pytest.raises(RunError, match=f"in use by process {os.getpid()} on ") as caught, lock(tmp_path):
            pass
        assert str(tmp_path / "lock") in caught.value.hint
    with lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", ["dead", "garbage", "empty"])
def test_a_lock_that_a_dead_process_left_is_taken_over(tmp_path, left):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    import socket

    holder = json.dumps({"pid": dead.pid, "host": socket.gethostname()})
    (tmp_path / "lock").write_text({"dead": holder, "garbage": "{", "empty": ""}[left])
    with lock(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_lock_of_another_machine_is_never_taken_over(tmp_path):
    (tmp_path / "lock").write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    with pytest.raises(RunError, match="in use by process 1 on elsewhere"), lock(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_lock_of_another_user_is_not_taken_over(tmp_path):
    """The process that holds it is alive and may not be signalled."""
    import socket

    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    program = """
import os
from pathlib import Path
from archspec_runtime.record.folder import lock
os.setuid(65534)
with lock(Path(".")):
    pass
"""
    tmp_path.chmod(0o777)
    second = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"in use by process {os.getpid()}" in second.stderr
    assert (tmp_path / "lock").exists()

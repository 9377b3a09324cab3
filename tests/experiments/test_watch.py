"""What a sweep shows of its runs while they are made."""

import json
import shutil
import time

import pytest

from archspec_experiments import watch
from archspec_experiments.task import Task
from archspec_experiments.watch import Watch

pytest.importorskip("torch")


def shortened(run, lines):
    """Leave a run the first lines of its metrics."""
    path = run / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


def test_a_sweep_says_what_is_done_what_runs_how_far_it_is_and_what_waits(finished, tmp_path, capsys, monkeypatch):
    tasks = [Task(name, tmp_path / name, tmp_path / f"{name}.log", ()) for name in "abcd"]
    for name in "abc":
        (tmp_path / f"{name}.log").touch()
    shutil.copytree(finished[0], tmp_path / "b")
    whole = (tmp_path / "b" / "metrics.jsonl").read_text()
    shortened(tmp_path / "b", 2)
    shown = Watch(tasks)
    shown.done.add("a")
    first = json.loads(whole.splitlines()[1])
    assert shown.lines() == [
        "1 of 4 runs done, 2 running, 1 waiting",
        f"  b: step {first['step']}, {100 * first['step'] / 60:.0f}%",
        "  c: starting",
    ]
    later = {**first, "step": 45, "time": "2100-01-01T00:00:00.000+00:00"}
    (tmp_path / "b" / "metrics.jsonl").write_text(whole + json.dumps(later) + "\n" + '{"step": 5')
    shown.first["b"] = (4102444800.0 - 60, 0.25)  # a minute before, a quarter was done
    assert shown.lines()[1] == "  b: step 45, 75%, 0:30 left"
    monkeypatch.setattr(watch, "EVERY", 0.01)
    with shown:
        time.sleep(0.2)
    said = capsys.readouterr().err
    assert said.count("1 of 4 runs done, 2 running, 1 waiting") == 1, "what has not changed is not said again"


def test_a_run_that_is_counted_in_epochs_says_its_share_too(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["job"]["recipe"] |= {"steps": None, "epochs": 10}
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert watch.done_of(tmp_path / "run", {"step": 60, "epoch": 5.5}) == 0.55

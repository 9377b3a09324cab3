"""Run folders that an earlier version wrote: they go on, are measured and compared."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from photographs import as_folder
from runs import CPU, newest

torch = pytest.importorskip("torch")

EARLIER = Path(__file__).parents[1] / "fixtures" / "runs"
LAST = {"torch-digits": 30, "flax-digits": 30, "torch-photos": 16}


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Copies of the runs, and the photos of one of them."""
    room = tmp_path_factory.mktemp("earlier")
    shutil.copytree(EARLIER, room / "runs")
    as_folder(room / "photos")
    return room


@pytest.mark.parametrize("name", LAST)
def test_a_run_of_an_earlier_version_goes_on_and_is_measured(runs, name):
    run = runs / "runs" / name
    if name.startswith("flax"):
        pytest.importorskip("flax")
    data = ("--data", runs / "photos") if name.endswith("photos") else ()
    before = (run / "code" / "model.py").read_bytes()
    backend = ("--backend", name.partition("-")[0])
    result = command("train", run / "code" / "spec.yaml", *backend, *data, "--out", run, "--resume", *CPU[:4])
    assert result.exit_code == 0, result.output
    assert "kept no record of class names and images; they are not compared" in result.stderr
    assert newest(run).name == f"step-{LAST[name]:08d}"
    assert (run / "code" / "model.py").read_bytes() == before, "it goes on by its own source"
    measured = command("eval", run, *data, "--device", "cpu", "--format", "json")
    assert measured.exit_code == 0, measured.output
    said = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert json.loads(measured.stdout)["top1_error"] == pytest.approx(said[-1]["top1_error"])


def test_another_net_does_not_go_on_with_an_earlier_run(runs):
    run = runs / "runs" / "torch-digits"
    spec = runs / "other.yaml"
    spec.write_text((run / "code" / "spec.yaml").read_text().replace("kernel: 3", "kernel: 5"))
    result = command("train", spec, "--out", run, "--resume", *CPU)
    assert result.exit_code == 1
    assert "is of another net" in result.stderr


def test_earlier_runs_are_compared_and_reported(runs):
    folders = [runs / "runs" / name for name in LAST]
    result = command("compare", *folders, "--out", runs / "all.png")
    assert result.exit_code == 0, result.output
    assert "photos-of-before" in result.stdout
    result = command("report", runs / "runs", "--out", runs / "page.html")
    assert result.exit_code == 0, result.output

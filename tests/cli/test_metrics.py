"""`archspec metrics`: what runs have measured, for other programs."""

import csv
import io
import json
import os
import shutil
import stat

import pytest

from archspec_runtime.record.folder import read_metrics
from runs import said

pytest.importorskip("torch")


def test_metrics_of_runs_are_rows_with_a_column_per_quantity(finished, cli, tmp_path):
    rows = list(csv.DictReader(io.StringIO(cli("metrics", finished[0]).stdout)))
    measured = read_metrics(finished[0])
    assert len(rows) == len(measured) > 10
    for row, there in zip(rows, measured, strict=True):
        assert row["run"] == "digits-resnet-8"
        assert {key: str(value) for key, value in there.items()} == {k: row[k] for k in there}
        assert all(row[key] == "" for key in row.keys() - there.keys() - {"run"})
    assert list(rows[0])[:6] == ["run", "step", "epoch", "time", "kind", "split"]
    for name in "ab":
        shutil.copytree(finished[0], tmp_path / "runs" / name)
    done = cli("metrics", "runs", "--out", "all.jsonl")
    assert done.exit_code == 0
    assert done.stdout == f"all.jsonl: {2 * len(measured)} rows of 2 runs\n"
    assert cli("metrics", "runs", "--format", "json").stdout == (tmp_path / "all.jsonl").read_text()
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [line.pop("run") for line in lines][:: len(measured)] == ["digits-resnet-8 (a)", "digits-resnet-8 (b)"]
    assert lines == measured * 2
    one = [json.loads(line) for line in cli("metrics", finished[0], "--format", "json").stdout.splitlines()]
    assert one == [{"run": "digits-resnet-8"} | row for row in measured]


def test_a_run_that_is_given_twice_counts_once(finished, cli, tmp_path):
    (tmp_path / "link").symlink_to(finished[0])
    once = cli("metrics", finished[0]).stdout
    for given in ((finished[0], finished[0]), (finished[0], "link"), (finished[0].parent, finished[0])):
        done = cli("metrics", *given)
        assert done.stdout.count("\n") == once.count("\n")
        assert "is given twice" in done.stderr
    assert "by the path link: it is taken once" in cli("metrics", finished[0], "link").stderr
    assert cli("report", finished[0], "link", "--out", "page.html").stdout == "page.html: 1 run\n"


def test_links_stay_and_pipes_are_not_replaced(finished, cli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "a device or a pipe" in said(cli("metrics", finished[0], "--out", "pipe", "--force"), 1)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    (tmp_path / "link").symlink_to("file")
    for force in ((), ("--force",)):
        assert cli("metrics", finished[0], "--out", "link", *force).exit_code == 0
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_text().startswith("run,step,")
    (tmp_path / "circle").symlink_to("circle")
    assert "Too many levels of symbolic links" in said(cli("metrics", finished[0], "--out", "circle"), 1)
    assert (tmp_path / "circle").is_symlink()


def test_a_file_is_replaced_with_force_alone_and_what_is_no_run_is_said(finished, cli, tmp_path):
    (tmp_path / "all.csv").write_text("mine")
    assert "all.csv is there already" in said(cli("metrics", finished[0], "--out", "all.csv"), 2)
    assert (tmp_path / "all.csv").read_text() == "mine"
    assert cli("metrics", finished[0], "--out", "all.csv", "--force").exit_code == 0
    assert (tmp_path / "all.csv").read_text().startswith("run,step,")
    assert "is not the folder of a run" in said(cli("metrics", "gone"), 1)
    shutil.copytree(finished[0], tmp_path / "own")
    for name in ("metrics.jsonl", "run.json", "code/spec.yaml"):
        before = (tmp_path / "own" / name).read_bytes()
        assert "is a file of the run" in said(cli("metrics", "own", "--out", f"own/{name}", "--force"), 2)
        assert (tmp_path / "own" / name).read_bytes() == before
    assert cli("metrics", "own", "--out", "own/rows.csv").exit_code == 0

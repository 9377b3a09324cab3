"""Faults that users meet in training: said with a remedy, and nothing that stood before is lost."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from archspec_runtime.checkpoints import store
from archspec_runtime.errors import RunError
from archspec_runtime.record.folder import prepare, read_metrics
from runs import CPU, fill, said, tree

torch = pytest.importorskip("torch")

NET = "digits_resnet:resnet8"
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A finished run of ten steps."""
    out = tmp_path_factory.mktemp("short") / "run"
    given = ["train", NET, "--out", out, "--steps", 10, "--checkpoint-every", 5, *CPU]
    done = CliRunner().invoke(app, [str(word) for word in given])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def old(short, tmp_path):
    """A copy of that run."""
    return shutil.copytree(short, tmp_path / "old")


# --- the folder of a run -------------------------------------------------------------------------------


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(cli, tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("years of work")
    error = said(cli("train", NET, "--out", "papers", "--steps", 1, *CPU), 2)
    assert "papers holds other files" in error
    assert "--force" in error
    assert tree(tmp_path) == {Path("papers/thesis.tex"): b"years of work"}
    assert cli("train", NET, "--out", tmp_path / "papers", "--steps", 1, "--force", *CPU).exit_code == 0
    assert (tmp_path / "papers" / "thesis.tex").read_text() == "years of work"


def test_a_run_is_not_overwritten_unless_asked(cli, old):
    before = tree(old)
    error = said(cli("train", NET, "--out", old, "--steps", 1, *CPU), 2)
    assert "old holds a run" in error
    assert all(word in error for word in ("--out", "--resume", "--force"))
    assert tree(old) == before
    assert cli("train", NET, "--out", old, "--steps", 1, "--force", *CPU).exit_code == 0
    assert {row["step"] for row in read_metrics(old)} == {1}
    assert store.newest(old, None)[1]["step"] == 1


def test_what_cannot_be_a_folder_is_refused(cli, tmp_path):
    (tmp_path / "file").write_text("x")
    places = {
        "file": "file is a file",
        "file/run": "file is a file",
        "/proc/run": "/proc/run",
        "/dev/null": "is a file",
    }
    for place, says in places.items():
        assert says in said(cli("train", NET, "--out", place, "--steps", 1, *CPU), 2)
    assert tree(tmp_path) == {Path("file"): b"x"}


@pytest.mark.parametrize("place", ["x" * 300, "a/" * 2100 + "run"], ids=["name", "path"])
def test_a_name_that_is_too_long_is_refused(cli, place):
    assert "File name too long" in said(cli("train", NET, "--out", place, "--steps", 1, *CPU), 2)


@pytest.mark.parametrize("rights", [0o000, 0o100, 0o500], ids=["closed", "not to be listed", "not to be written"])
def test_a_folder_without_rights_is_refused(tmp_path, rights):
    program = """
import os, sys
from pathlib import Path
from archspec_runtime.errors import RunError
from archspec_runtime.record.folder import lock, prepare
if os.geteuid() == 0:
    os.setuid(65534)
try:
    prepare(Path("run"), resume=False, force=False)
    with lock(Path("run")):
        pass
except RunError as error:
    sys.exit(f"error: {error}")
"""
    (tmp_path / "run").mkdir()
    if ROOT:
        os.chown(tmp_path / "run", 65534, 65534)
        tmp_path.chmod(0o755)
    (tmp_path / "run").chmod(rights)
    try:
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        (tmp_path / "run").chmod(0o700)
    assert "Permission denied" in result.stderr
    assert re.fullmatch(r"error: .*run.*\n  help: give another --out\n", result.stderr)


# --- what was asked for --------------------------------------------------------------------------------


FAULTS = {
    "device": (("--device", "nosuch"), 2, "there is no device 'nosuch'"),
    "cuda index": (("--device", "cuda:99"), 2, "there is no device 'cuda:99'"),
    "missing data": (("--data", "gone", "--set", "train.data.dataset=image_folder"), 1, "images, and gone does not exist"),
    "data for digits": (("--data", "."), 2, "the data set digits takes no folder, and --data is ."),
    "data for noise": (("--data", ".", "--set", "train.data.dataset=synthetic"), 2, "synthetic takes no folder"),
    "holdout": (("--set", "train.data.holdout=2000"), 1, "a holdout of 2000 leaves nothing"),
    "batch size": (("--set", "train.batch_size=2000"), 1, "1437 training images do not fill a batch of 2000"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_that_cannot_begin_says_why_and_how_to_mend_it(cli, name, tmp_path):
    given, code, says = FAULTS[name]
    out = ("--out", tmp_path / "new", "--steps", 1)
    assert says in said(cli("train", NET, *out, *CPU, *given), code)
    assert cli("train", NET, *out, *CPU).exit_code == 0, "the folder cannot be used again"


@pytest.mark.parametrize("name", ["device", "missing data"])
def test_a_run_that_cannot_begin_does_not_overwrite_the_one_before(cli, name, old):
    given, code, says = FAULTS[name]
    before = tree(old)
    assert says in said(cli("train", NET, "--out", old, "--steps", 1, "--force", *CPU, *given), code)
    assert tree(old) == before


def test_resuming_where_there_is_no_run_is_refused(cli, tmp_path):
    for place in ("gone", "."):
        assert "holds no run to resume" in said(cli("train", NET, "--out", place, "--resume", *CPU), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"job": {}}', '{"job": null}'])
def test_a_run_whose_record_is_damaged_is_named_by_every_command(cli, old, text):
    (old / "run.json").write_text(text)
    for command in (("eval", old), ("compare", old), ("train", NET, "--out", old, "--steps", 12, "--resume", *CPU)):
        assert "old" in said(cli(*command), 1)


def test_eval_of_what_is_no_run_is_refused(cli, old, tmp_path):
    for place in (tmp_path, tmp_path / "gone"):
        assert "is not the folder of a run" in said(cli("eval", place), 1)
    for place in (".", "gone"):
        assert "the data set digits takes no folder" in said(
            cli("eval", old, "--data", place, "--device", "cpu"), 2
        )
    (old / "code" / "model.py").unlink()
    assert "model.py is missing" in said(cli("eval", old), 1)
    shutil.rmtree(old / "checkpoints")
    assert "has no checkpoint" in said(cli("eval", old), 1)


def test_eval_passes_over_a_damaged_checkpoint_and_refuses_it_alone(cli, old):
    newest = store.newest(old, None)[0]
    file = newest / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    result = cli("eval", old, "--device", "cpu")
    assert result.exit_code == 0
    assert "weights.safetensors is damaged: its checksum differs; trying the one before" in result.stderr
    result = cli("eval", newest, "--device", "cpu")
    assert result.exit_code == 1
    assert "weights.safetensors is damaged" in result.stderr


# --- a full disk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 100, 400])
def test_a_disk_that_fills_while_training_is_said_and_the_last_checkpoint_is_whole(cli, small_disk, short, room):
    disk = small_disk(4000)
    run = shutil.copytree(short, disk / "run")
    before = {p.name: tree(p) for p in (run / "checkpoints").iterdir()}
    (run / "curves.png").unlink()
    (run / "curves.svg").unlink()
    fill(disk, room)
    result = cli(
        "train", NET, "--out", run, "--steps", 40, "--resume", "--override", "--checkpoint-every", 10, *CPU
    )
    assert result.exit_code in (0, 1, 2), result.stderr
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    found, manifest = store.newest(run, None)
    if room == 0:
        assert tree(found) == before[found.name]
    assert manifest["step"] >= 10
    assert all(json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()[:-1])
    (disk / "other").unlink()
    again = cli("train", NET, "--out", run, "--steps", 40, "--resume", "--override", *CPU)
    assert again.exit_code == 0, again.stderr
    assert store.newest(run, None)[1]["step"] == 40


@pytest.mark.parametrize("room", [0, 40, 130])
def test_a_run_does_not_begin_on_a_full_disk(cli, small_disk, room):
    disk = small_disk(1000)
    fill(disk, room)
    error = said(cli("train", NET, "--out", disk / "run", "--steps", 1, *CPU), 2)
    assert "No space left on device" in error
    assert not (disk / "run" / "code" / "train.py").exists(), "half a folder was written"


def test_a_folder_is_prepared_only_where_it_may_be(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "spec.yaml").touch()
    prepare(tmp_path, resume=False, force=False)  # what `build` wrote is a place for a run
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(RunError, match="holds other files"):
        prepare(tmp_path, resume=False, force=False)

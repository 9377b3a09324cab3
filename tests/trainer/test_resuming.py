"""What is resumed, and what is refused."""

import shutil
from pathlib import Path

import pytest

from runs import CPU, measurements, tree

pytest.importorskip("torch")


def test_resuming_a_run_that_had_ended_says_so_and_changes_nothing(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run" / "checkpoints")
    result = cli("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, "--resume", *CPU)
    assert result.exit_code == 0
    assert "this run ended at step 60; nothing is left to do" in result.output
    assert tree(tmp_path / "run" / "checkpoints") == before
    assert measurements(Path("run")) == measurements(finished[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--set", "train.lr=0.02"), "lr: [{'value': 0.05, "),
        (("--steps", 80), "steps: 60 before, 80 now"),
        (("--seed", 4), "seed: 0 before, 4 now"),
        (("--set", "train.batch_size=64"), "batch_size: 128 before, 64 now"),
    ],
    ids=["lr", "steps", "seed", "batch size"],
)
def test_a_changed_recipe_is_refused_with_the_difference(finished, cli, tmp_path, change, says):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    given = ("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, *CPU, *change)
    result = cli(*given, "--resume")
    assert result.exit_code == 1
    assert says in result.output
    assert "--override" in result.output
    assert tree(tmp_path / "run") == before


def test_a_changed_recipe_is_trained_on_with_override(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    given = (
        "train",
        "digits_resnet:resnet8",
        "--out",
        tmp_path / "run",
        "--steps",
        80,
        "--set",
        "train.lr=0.01",
        *CPU,
    )
    result = cli(*given, "--resume", "--override")
    assert result.exit_code == 0, result.output
    rows = [row for row in measurements(Path("run")) if row["kind"] == "train"]
    assert (rows[-1]["step"], rows[-1]["lr"]) == (80, 0.01)
    assert rows[0]["lr"] == 0.05


def test_another_net_is_not_resumed(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    given = (
        "train",
        "digits_resnet:plain8",
        "--out",
        tmp_path / "run",
        "--steps",
        60,
        "--resume",
        "--override",
        *CPU,
    )
    result = cli(*given)
    assert result.exit_code == 1
    assert "is of another net" in result.output
    assert tree(tmp_path / "run") == before

"""What a run keeps is overwritten by no command that writes a file, `--force` or not."""

import shutil

import pytest

from runs import said, tree

pytest.importorskip("torch")

COMMANDS = [
    "metrics {} --force --out {}/metrics.jsonl",
    "report {} --force --out {}/run.json",
    "convert {} --force {}/code/weights.safetensors",
    "convert {} {}/checkpoints/mine.safetensors",
    "eval {} --device cpu --force --predictions {}/run.json",
    "predict {} --device cpu --force --out {}/metrics.jsonl none.png",
]


def test_a_file_of_a_run_is_not_written_over(finished, cli, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished[0], run)
    before = tree(run)
    for command in COMMANDS:
        result = cli(*command.format("run", "run").split())
        assert "is a file of the run" in said(result, 2), command
    assert tree(run) == before

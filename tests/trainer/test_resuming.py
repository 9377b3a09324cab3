"""What is resumed, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import pytest

from runs import CPU, measurements, said, tree

pytest.importorskip("torch")


def test_resuming_a_run_that_had_ended_says_so_and_changes_nothing(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run" / "checkpoints")
    result = cli("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, "--resume", *CPU)
    assert result.exit_code == 0
    assert "this run ended at step 60; nothing is left to do" in result.output
    assert tree(tmp_path / "run" / "checkpoints") == before
    assert measurements(Path("run")) == measurements(finished[0])


def test_a_run_is_not_said_to_be_shorter_than_it_is(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    result = cli("train", "run", "--resume", "--steps", 40, "--override", *CPU)
    assert "is at step 60 already, and would end at step 40" in said(result, 1)
    assert tree(tmp_path / "run") == before
    assert cli("train", "run", "--resume", *CPU).exit_code == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--set", "train.lr=0.02"), "lr: [{value: 0.05, "),
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
    run = json.loads(Path("run/run.json").read_text())
    assert run["job"]["recipe"]["steps"] == 80
    assert "steps: 60 before, 80 now" in run["overridden"][0]
    assert "0.01" in Path("run/code/train.py").read_text(), "what one reads is what ran"


def test_a_model_that_was_edited_in_a_runs_folder_is_not_gone_on_with(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    model = tmp_path / "run" / "code" / "model.py"
    model.write_text(model.read_text() + "# mine\n")
    given = ("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, "--resume", *CPU)
    error = said(cli(*given), 1)
    assert f"{model} was edited since the run trained (- trained, + there):\n    +# mine\n" in error
    assert (
        "help: --override goes on with the source of the spec, and keeps the edited file as model.before.py"
        in error
    )
    measured = cli("eval", tmp_path / "run", *CPU[:2])
    assert measured.exit_code == 0
    assert f"{model} was changed after it was written, and may not be what was trained" in measured.stderr
    result = cli(*given, "--override")
    assert result.exit_code == 0
    kept = model.with_name("model.before.py")
    assert f"kept as {kept}" in result.stderr
    assert kept.read_text().endswith("# mine\n")
    assert "# mine" not in model.read_text()
    assert "was changed" not in cli("eval", tmp_path / "run", *CPU[:2]).stderr


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
    assert tree(tmp_path / "run") == before
    assert "trying the one before" not in result.stderr
    error = result.stderr[result.stderr.index("error: ") :].splitlines()
    assert re.fullmatch("error: .*step-00000060 is of another net", error[0])
    assert error[1:] == [
        "  it is of digits-resnet-8, and this is digits-plain-8",
        "  the tensors have the same names and shapes: what is done with them differs",
        "  help: give the run of this spec, or start anew in another --out",
    ]


@pytest.mark.parametrize(
    ("change", "says", "remedy"),
    [
        (("digits_resnet:plain8",), "run was begun with another net, digits-resnet-8", "--force"),
        (
            ("digits_resnet:resnet8", "--seed", 4),
            "run was begun with another recipe:\n  seed: 0 before, 4 now",
            "--override",
        ),
    ],
    ids=["net", "recipe"],
)
def test_a_run_that_was_stopped_before_its_first_checkpoint_is_no_other_run(
    finished, cli, tmp_path, change, says, remedy
):
    shutil.copytree(finished[0], tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    before = tree(tmp_path / "run")
    result = cli("train", *change, "--out", tmp_path / "run", "--steps", 60, "--resume", *CPU)
    assert result.exit_code == 1
    assert says in result.output
    assert remedy in result.output
    assert tree(tmp_path / "run") == before
    same = cli("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, "--resume", *CPU)
    assert same.exit_code == 0


def test_resuming_and_overwriting_are_not_one(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    result = cli("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--resume", "--force", *CPU)
    assert result.exit_code == 2
    assert "--resume goes on with a run and --force overwrites it" in result.output
    assert tree(tmp_path / "run") == before


def test_a_net_of_other_tensors_is_not_resumed_and_they_are_named(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    changes = ("--set", "stages.layer2.repeat=2", "--set", "stages.layer3.width=128")
    given = ("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, "--resume", *changes, *CPU)
    result = cli(*given)
    assert result.exit_code == 1
    assert result.stderr[result.stderr.index("error: ") :].splitlines()[1:] == [
        "  75,489 numbers in 44 tensors before, 224,355 numbers in 56 tensors now",
        "  only now: layer2.1.conv1.weight 32x32x3x3; layer2.1.bn1.weight 32; layer2.1.bn1.bias 32; and 9 more",
        "  of another shape: layer3.0.conv1.weight 64x32x3x3 before, 128x32x3x3 now; layer3.0.bn1.weight 64 before, 128 now; "
        "layer3.0.bn1.bias 64 before, 128 now; and 8 more",
        "  help: give the run of this spec, or start anew in another --out",
    ]

"""Training that starts from weights: of a run, of a file, with a head of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from archspec_runtime.record.folder import read_run
from runs import CPU, TINY, newest, tree

torch = pytest.importorskip("torch")

STILL = ("--steps", 1, "--set", "train.lr=1e-30", *CPU)  # one step that changes no weight
HEAD = ("fc.weight", "fc.bias")


def weights(run):
    found = load_file(newest(run) / "weights.safetensors")
    return {name: value for name, value in found.items() if "running" not in name and "batches" not in name}


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_run_starts_from_the_weights_of_another_but_for_what_is_fresh(finished, cli, backend):
    pytest.importorskip(backend)
    out, _ = finished
    given = ("train", "digits_resnet:resnet8", "--backend", backend, *STILL)
    assert cli(*given, "--weights", out, "--fresh", "fc", "--out", "run").exit_code == 0
    before, after = weights(out), weights(Path("run"))
    for name, value in before.items():
        assert np.allclose(after[name], value, atol=1e-6) == (name not in HEAD), name


def test_files_of_any_format_do_and_a_head_of_other_classes_is_fresh(finished, cli):
    out, _ = finished
    assert cli("convert", out, "w.pt").exit_code == 0
    five = ("train", "digits_resnet:resnet8", "--set", "classes=20", "--set", "train.data.dataset=synthetic", *STILL,
            "--weights", "w.pt")  # fmt: skip
    refused = cli(*five, "--out", "five")
    assert refused.exit_code == 1
    assert "fc.weight  (10, 64) in the file, (20, 64) in the net" in refused.output
    assert not Path("five").exists()
    done = cli(*five, "--fresh", "fc", "--out", "five")
    assert done.exit_code == 0, done.output
    assert np.array_equal(weights(Path("five"))["conv1.weight"], weights(out)["conv1.weight"])


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize(
    ("tensor", "value", "says"),
    [
        ("conv1.weight", np.nan, "not finite"),
        ("fc.bias", np.inf, "not finite"),
        ("bn1.running_var", -1, "negative"),
    ],
)
def test_numbers_that_cannot_be_trained_on_are_named_before_a_step(finished, cli, backend, tensor, value, says):
    pytest.importorskip(backend)
    whole = load_file(newest(finished[0]) / "weights.safetensors")
    whole[tensor].reshape(-1)[0] = value
    save_file(whole, "odd.safetensors")
    given = ("train", "digits_resnet:resnet8", "--backend", backend, *STILL, "--out", "run")
    done = cli(*given, "--weights", "odd.safetensors")
    assert done.exit_code == 1
    assert "odd.safetensors cannot be trained on:" in done.output
    assert f"{tensor}: " in done.output
    assert says in done.output
    assert "learning rate" not in done.output
    assert not list(Path("run").glob("checkpoints/*"))
    if backend == "torch":
        kept = cli("convert", "odd.safetensors", "same.safetensors", "--spec", "digits_resnet:resnet8")
        assert kept.exit_code == 0, kept.output
        assert f"{tensor}: " in kept.output
        assert load_file("same.safetensors")[tensor].tobytes() == whole[tensor].tobytes()


def test_a_run_is_gone_on_with_by_its_folder_alone(cli, spec):
    """Its spec, its backend and its images are what its folder says."""
    pytest.importorskip("jax")
    trained = cli("train", spec(TINY), "--backend", "flax", "--out", "a run", "--steps", 2, *CPU)
    assert trained.exit_code == 0, trained.output
    done = cli("train", "a run", "--resume", "--steps", 4, "--override", *CPU)
    assert done.exit_code == 0, done.output
    assert read_run(Path("a run"))["backend"] == "flax"
    assert newest(Path("a run")).name == "step-00000004"


def test_a_built_folder_starts_from_a_file(finished, cli):
    out, _ = finished
    assert cli("build", "digits_resnet:resnet8", "--out", "net", "--weights", out).exit_code == 0
    shutil.copyfile(newest(out) / "weights.safetensors", "w.safetensors")
    command = ["net/train.py", "--weights", "w.safetensors", "--steps", "1", "--out", "run", *map(str, CPU)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loss = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[0])["loss"]
    assert loss < 0.5, "weights that are drawn begin at 2.3"
    whole = load_file("w.safetensors")
    whole["bn1.running_var"][0] = -1
    whole["fc.bias"][0] = np.nan
    save_file(whole, "w.safetensors")
    refused = subprocess.run([sys.executable, *command, "--force"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "w.safetensors cannot be trained on:" in refused.stderr
    assert "fc.bias has 1 of 10 numbers that are not finite" in refused.stderr
    assert "bn1.running_var has 1 of 16 variances that are negative" in refused.stderr


def test_what_is_wrong_with_weights_is_said_before_a_run_is_touched(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    given = ("train", "digits_resnet:resnet8", "--out", "run", "--force", *STILL)
    for options, says in (
        (("--weights", "gone.pt"), "gone.pt"),
        (("--weights", finished[0], "--fresh", "fk"), "--fresh fk: the net has no module of this name"),
        (("--fresh", "fc"), "give --weights"),
    ):
        refused = cli(*given, *options)
        assert refused.exit_code in (1, 2)
        assert says in refused.output
        assert tree(tmp_path / "run") == before


def test_a_run_that_was_begun_with_weights_is_resumed_with_them(finished, cli, tmp_path):
    given = ("train", "digits_resnet:resnet8", "--out", "run", *STILL)
    assert cli(*given, "--weights", finished[0]).exit_code == 0
    shutil.rmtree("run/checkpoints")
    refused = cli(*given, "--resume")
    assert refused.exit_code == 1
    assert "run was begun with weights of a file" in refused.output
    done = cli(*given, "--resume", "--weights", finished[0])
    assert done.exit_code == 0, done.output
    assert np.array_equal(weights(Path("run"))["fc.weight"], weights(finished[0])["fc.weight"])


def test_weights_that_a_resumed_run_would_not_take_are_refused(finished, cli, tmp_path):
    given = ("train", "digits_resnet:resnet8", "--out", "run", *STILL)
    assert cli(*given, "--weights", finished[0]).exit_code == 0
    again = cli(*given, "--weights", finished[0], "--resume")
    assert (again.exit_code, again.stdout) == (0, "this run ended at step 1; nothing is left to do\n")
    other = cli(*given, "--weights", "run", "--resume", "--steps", 2)
    assert other.exit_code == 1
    assert "was not begun with these weights\n  help: leave --weights out" in other.stderr


def test_a_folder_that_holds_no_run_to_go_on_with_is_told_what_it_lacks(finished, cli):
    run = Path(shutil.copytree(finished[0], "a run"))

    def said(folder):
        result = cli("train", folder, "--resume", "--device", "cpu")
        assert result.exit_code in (1, 2)
        return result.stderr

    for part in ("code", "checkpoints", f"checkpoints/{newest(run).name}"):
        assert f"archspec train '{run.absolute()}' --resume" in said(run / part)
    (run / "code" / "spec.yaml").rename("spec.yaml")
    assert "--out 'a run' --resume" in said(run)
    (run / "run.json").write_text("{")
    assert "run.json is no JSON" in said(run)
    Path("empty").mkdir()
    assert "it has no run.json" in said("empty")
    Path("digits_resnet").mkdir()  # as of a net that was built
    assert "run holds no run to resume" in cli("train", "digits_resnet:resnet8", "--resume", "--out", "run").stderr
    assert "run holds no run to resume" in cli("train", "digits_resnet", "--resume", "--out", "run").stderr

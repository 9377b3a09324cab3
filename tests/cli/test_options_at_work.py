"""What options do in runs, sweeps and data sets, of those in test_options.py that no printed line shows."""

import shutil
import sys

import pytest

from archspec_runtime.record.folder import read_metrics
from runs import CPU

NET = "digits_resnet:resnet8"


def test_a_run_is_evaluated_after_so_many_steps_by_its_recipe_or_by_an_option(cli, tmp_path):
    words = ("train", NET, "--steps", 12, *CPU)
    by_recipe = cli(*words, "--set", "train.eval_every=5 steps", "--out", "run")
    assert by_recipe.exit_code == 0, by_recipe.output
    assert [row["step"] for row in read_metrics(tmp_path / "run") if row["kind"] == "eval"] == [5, 10, 12]
    assert "eval_every: 5 steps" in (tmp_path / "run" / "code" / "spec.yaml").read_text()
    assert "eval_every=Step(5)" in (tmp_path / "run" / "code" / "train.py").read_text()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    by_option = cli(*words, "--eval-every", "7 steps", "--out", "run", "--resume")
    assert by_option.exit_code == 0, by_option.output
    for wrong in ("0", "5 minutes", "-1"):
        result = cli(*words, "--eval-every", wrong, "--out", "other")
        assert (result.exit_code, "`500 steps` or `2 epochs`" in result.output) == (2, True), result.output


def test_a_sweep_hands_its_options_to_its_runs(cli, tmp_path):
    given = {
        "log": "tensorboard",
        "checkpoint-every": 8,
        "eval-every": 2,
        "threads": 2,
        "workers": 1,
        "compile": "on",
        "device": "cpu",
    }
    words = [word for key, value in given.items() for word in (f"--{key}", value)]
    assert (
        cli(
            "sweep", "digits_resnet", "--set", "n=1", *words, "--out", "out", "--launcher", "slurm", "--steps", 300
        ).exit_code
        == 0
    )
    script = (tmp_path / "out" / "sweep.sbatch").read_text()
    for key, value in given.items():
        assert f" --{key} {value}" in script


def test_threads_are_those_that_compute(cli):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    try:
        words = ("train", NET, "--steps", 1, "--device", "cpu", "--compile", "off", "--threads")
        for count in (1, 2):
            result = cli(*words, count, "--out", f"run{count}", "--workers", 1)
            assert result.exit_code == 0
            assert torch.get_num_threads() == count
            assert "warning: --workers has no effect: the images of digits are in memory\n" in result.stderr
            assert "not compiled (as asked)" in result.stderr
    finally:
        torch.set_num_threads(before)


def test_packing_takes_the_data_set_as_it_is_named(cli, photos, tmp_path):
    assert cli("data", "pack", photos, "a", "--dataset", "image_folder").exit_code == 0
    assert cli("data", "pack", photos, "b", "--dataset", "webdataset").exit_code == 1
    refused = cli("data", "pack", photos, "c", "--spec", "resnet18")
    assert (refused.exit_code, refused.output) != (0, "")
    for words in (("pack", photos, "d"), ("verify", photos)):
        result = cli("data", *words, "--set", "label=gone")
        assert result.exit_code in (1, 2), result.output
        assert "label" in result.output


def test_fetching_takes_the_form_that_is_named(cli, tmp_path):
    (tmp_path / "x").mkdir()
    words = ("data", "fetch", "cifar10", "--out", "x", "--url", "http://127.0.0.1:9/c", "--layout")
    said = {}
    for layout in ("python", "binary"):
        (tmp_path / "x" / f"cifar-10-{layout}.tar.gz").write_bytes(b"none")
        said[layout] = cli(*words, layout).stderr
    assert said["python"] != said["binary"], said


def test_a_list_of_numbers_is_told_that_one_is_taken(cli):
    done = cli("sweep", "cifar_resnet", "--seeds", "1,1")
    assert done.exit_code == 2
    assert "it takes one whole number, such as 3" in " ".join(done.output.split())
    assert "Input should be" not in done.output


def test_a_language_server_without_its_extra_says_how_to_get_it(cli, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("archspec_lsp", "pygls", "lsprotocol")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    result = cli("lsp")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: the language server needs lsprotocol, which is not installed\n  help: pip install "
    )

"""Options of `archspec train` that cannot be followed: each is said before anything begins."""

import re

import pytest

from runs import CPU

pytest.importorskip("torch")

CIFAR, TARS = "cifar_resnet:resnet20", ("--set", "train.data.dataset=webdataset")
GONE = {
    "cifar": ((CIFAR,), "gone does not exist"),
    "images": ((CIFAR, "--set", "train.data.dataset=image_folder"), "folder of images, and gone is none"),
    "tars": ((CIFAR, *TARS), "gone: a folder of train*.tar is needed"),
    "fetched": ((CIFAR, *TARS, "--set", "train.data.train=https://x.invalid/a.tar"), "gone does not exist"),
    "digits": (("digits_resnet:resnet8",), "the data set digits takes no folder"),
}


@pytest.mark.parametrize("case", GONE)
def test_a_dry_run_says_as_the_run_does_that_the_images_are_not_there(cli, tmp_path, case):
    words, says = GONE[case]
    dry, run = (cli("train", *words, "--data", "gone", *more) for more in (["--dry-run"], ["--device", "cpu"]))
    assert says in dry.stderr
    assert "help: " in dry.stderr
    assert (dry.exit_code, dry.output) == (run.exit_code, run.output)
    assert dry.exit_code != 0
    assert not list(tmp_path.iterdir())


def test_a_dry_run_needs_no_images(cli, tmp_path):
    (tmp_path / "images").mkdir()
    for data in ([], ["--data", "images"]):
        result = cli("train", CIFAR, *data, "--dry-run")
        assert (result.exit_code, result.stderr) == (0, "")
        assert "estimates" in result.stdout


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("name", ["", "cpu:", "cpu:-1", ":0"])
def test_a_device_that_has_no_name_is_refused(cli, tmp_path, backend, name):
    pytest.importorskip(backend)
    result = cli("train", "digits_resnet:resnet8", "--backend", backend, "--device", name)
    assert result.exit_code == 2
    message, help_ = result.stderr.splitlines()
    assert message == f"error: there is no device {name!r}"
    assert re.fullmatch(r"  help: here are: .*\bcpu\b.*; see `archspec doctor`", help_)
    assert not list(tmp_path.iterdir())


def test_one_process_has_nothing_to_shard(cli, tmp_path, monkeypatch):
    words = ("train", "digits_resnet:resnet8", "--shard", "--out", "run", "--steps", 2, *CPU)
    alone = cli(*words)
    assert alone.exit_code == 2
    assert (
        "--shard splits the run over its processes, and there is one\n  help: start several: --nproc N"
        in alone.stderr
    )
    assert not list(tmp_path.iterdir())
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "job"}.items():
        monkeypatch.setenv(name, value)  # as torchrun sets them
    launched = cli(*words)
    assert launched.exit_code == 0, launched.output
    assert launched.stderr.startswith("warning: --shard splits the run over its processes, and there is one\n")


def test_no_folder_is_left_of_a_run_that_never_began(cli, tmp_path):
    pytest.importorskip("flax")
    (tmp_path / "mine").mkdir()
    for out in ("new", "mine"):
        result = cli(
            "train", "digits_resnet:resnet8", "--backend", "flax", "--devices", 99, "--out", out, "--device", "cpu"
        )
        assert result.exit_code == 2
        assert "99 devices are asked for" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]

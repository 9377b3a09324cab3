"""Options of `archspec train` that cannot be followed: each is said before anything begins."""

import os
import re
import shutil

import pytest

from runs import CPU

pytest.importorskip("torch")

CIFAR, TARS = "cifar_resnet:resnet20", ("--set", "train.data.dataset=webdataset")
GONE = {
    "cifar": ((CIFAR,), "gone does not exist"),
    "images": ((CIFAR, "--set", "train.data.dataset=image_folder"), "folder of images, and gone does not exist"),
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


def test_a_dry_run_needs_no_images_but_looks_at_those_that_it_is_given(cli, tmp_path):
    (tmp_path / "images").mkdir()
    result = cli("train", CIFAR, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "estimates" in result.stdout
    dry, run = (cli("train", CIFAR, "--data", "images", *more) for more in (["--dry-run"], ["--device", "cpu"]))
    assert (dry.exit_code, dry.output) == (run.exit_code, run.output)
    assert "images holds no files of cifar10" in dry.stderr


REFUSED = {
    "batch": (("--set", "train.batch_size=1000000"), 1, "1437 training images do not fill a batch of 1000000"),
    "share": (("--nproc", 3), 1, "a batch of 128 cannot be shared equally by 3 devices"),
    "scale": (("--scale-schedule",), 2, "--scale-schedule scales to the length that --steps gives"),
    "fresh": (("--fresh", "fc"), 2, "--fresh says which modules --weights does not reach"),
    "both": (("--resume", "--force"), 2, "--resume goes on with a run and --force overwrites it"),
    "override": (
        ("--override",),
        2,
        "--override goes on with a run whose recipe, images, class names or model.py have changed",
    ),
    "restarts": (("--max-restarts", 2), 2, "--max-restarts is of the processes that --nproc starts"),
    "timeout": (("--timeout", 9), 2, "--timeout is how long processes wait for each other, and there is one"),
    "shard": (("--shard",), 2, "--shard splits the run over its processes, and there is one"),
    "devices": (("--devices", 2), 2, "PyTorch drives one device to a process"),
    "flax shard": (("--backend", "flax", "--shard"), 2, "--shard is PyTorch's"),
    "onnx": (("--backend", "onnx"), 1, "the backend `onnx` does not train"),
    "nothing": (("--resume",), 1, "holds no run to resume"),
    "weights": (("--weights", "gone.pt"), 1, "gone.pt"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_dry_run_refuses_what_the_run_refuses(cli, tmp_path, case):
    words, code, says = REFUSED[case]
    dry, run = (
        cli("train", "digits_resnet:resnet8", *words, *more) for more in (["--dry-run"], ["--device", "cpu"])
    )
    assert says in dry.stderr, dry.stderr
    assert "help" in dry.stderr
    if case != "share":  # which the processes of the run say
        assert (dry.exit_code, dry.stderr) == (run.exit_code, run.stderr)
    assert dry.exit_code == code
    assert not list(tmp_path.iterdir())


def test_what_flax_compiles_all_the_same_is_said(cli):
    pytest.importorskip("flax")
    words = ("train", "digits_resnet:resnet8", "--backend", "flax", "--compile", "off", "--steps", 1)
    for more in (("--dry-run",), ("--device", "cpu", "--threads", 1)):
        result = cli(*words, *more)
        assert result.exit_code == 0, result.output
        assert "warning: --compile off has no effect: Flax always compiles\n" in result.stderr


def test_a_dry_run_needs_no_framework(tmp_path, process):
    for name in ("torch", "jax", "flax"):
        (tmp_path / "none" / name).mkdir(parents=True)
        (tmp_path / "none" / name / "__init__.py").write_text(f"raise ImportError('no {name} here')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "none")}
    for backend in ("torch", "flax"):
        words = ("train", "digits_resnet:resnet8", "--backend", backend, "--dry-run")
        done = process(*words, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "estimates" in done.stdout


def test_a_dry_run_shows_a_run_that_is_there_and_refuses_to_replace_it(cli, finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    result = cli("train", "digits_resnet:resnet8", "--out", "run", "--dry-run")
    assert result.exit_code == 2
    assert "estimates" in result.stdout
    assert result.stderr.startswith("error: run holds a run\n  help: ")


def test_backends_name_the_options_that_their_trainers_have():
    pytest.importorskip("flax")
    from archspec_flax.backend import FlaxBackend
    from archspec_flax.trainer import Flax
    from archspec_torch.backend import TorchBackend
    from archspec_torch.trainer import Torch

    assert TorchBackend.options == Torch.options
    assert FlaxBackend.options == Flax.options


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

"""`archspec convert` of the files of others and of runs: wrappers, names and forms are known, and it is said."""

import argparse
import os
import re

import pytest

import archspec
from archspec.weights.renaming import Renaming, rename
from converting import in_order, run, same

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402

WRAPPED = {
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "args": argparse.Namespace(lr=0.1)},
    "model": lambda s: {"model": s, "optimizer": {"state": {}}, "model_ema": {k: t * 0 for k, t in s.items()}},
    "model_ema": lambda s: {
        "model": {k: t * 0 for k, t in s.items()},
        "model_ema": {"n_averaged": torch.tensor(5), **{f"module.{k}": t for k, t in s.items()}},
    },
    "state_dict_ema": lambda s: {"state_dict_ema": s},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_are_found_and_said(wrapper, cli, small_weights, tmp_path):
    torch.save(WRAPPED[wrapper](small_weights), tmp_path / "w.pt")
    done = run(cli, "w.pt", "out.pt", *(["--key", "model_ema"] if wrapper == "model_ema" else []))
    assert done.exit_code == 0, done.output
    assert (f"found under `{wrapper}`" in done.output) == (wrapper != "model_ema")
    assert ("--key chooses among `model`, `model_ema`" in done.output) == (wrapper == "model")
    found = torch.load(tmp_path / "out.pt", weights_only=True)
    assert all(torch.equal(found[name], tensor) for name, tensor in small_weights.items())


def test_files_without_counters_are_taken_and_it_is_said(cli, small_weights, tmp_path):
    """As those of torchvision's that date from PyTorch 0.3."""
    torch.save(
        {k: t for k, t in small_weights.items() if not k.endswith("num_batches_tracked")}, tmp_path / "w.pth"
    )
    done = run(cli, "w.pth", "out.pt")
    assert done.exit_code == 0, done.output
    assert "counters of batches" in done.output
    assert torch.load(tmp_path / "out.pt", weights_only=True)["bn1.num_batches_tracked"] == 0


def test_old_files_of_any_name_are_known(small_net, small_weights, tmp_path):
    torch.save({"state_dict": small_weights}, tmp_path / "model_best.pth.tar", _use_new_zipfile_serialization=False)
    torch.save(small_weights, tmp_path / "pytorch_model.bin")
    for name in ("model_best.pth.tar", "pytorch_model.bin"):
        archspec.convert(small_net, tmp_path / name, tmp_path / "OUT.PT", force=True)
        same(torch.load(tmp_path / "OUT.PT", weights_only=True), in_order(small_net, small_weights))


@pytest.mark.parametrize(
    ("rename_", "options"),
    [
        (lambda k: f"module.{k}", ["module.="]),
        (lambda k: f"module._orig_mod.{k}", ["module._orig_mod.="]),
        (lambda k: k.replace("fc.", "linear."), ["linear.=fc."]),
        (lambda k: "_orig_mod." + k.replace("fc.", "head.top."), ["_orig_mod.=", "head.top.=fc."]),
    ],
)
def test_names_of_others_are_suggested_and_mapped(rename_, options, cli, small_weights, tmp_path):
    torch.save({rename_(k): t for k, t in small_weights.items()}, tmp_path / "w.pt")
    refused = run(cli, "w.pt")
    assert refused.exit_code == 1
    assert f"it would fit with {' '.join(f'--map {o}' for o in options)}\n" in refused.output
    assert os.listdir(tmp_path) == ["w.pt"]
    done = run(cli, "w.pt", "out.safetensors", *(f"--map={o}" for o in options))
    assert done.exit_code == 0, done.output
    assert all(torch.equal(t, small_weights[k]) for k, t in load_file(tmp_path / "out.safetensors").items())


@pytest.mark.parametrize(
    ("maps", "names", "expected"),
    [
        (["module.="], ["module.a.weight", "module.b"], ["a.weight", "b"]),
        (["a=b"], ["a", "a.a"], ["b", "a.a"]),
        (["*.gamma=*.weight"], ["x.y.gamma", "x.beta"], ["x.y.weight", "x.beta"]),
        (["b.*.c*.=layer1.*.conv*."], ["b.0.c1.weight", "b.10.c2.bias"], ["layer1.0.conv1.weight", "layer1.10.conv2.bias"]),
        (["a.=b.", "b.=c."], ["a.x", "d.y"], ["c.x", "d.y"]),
        (["a.b=a.c"], ["a.b", "aXb"], ["a.c", "aXb"]),
    ],
)  # fmt: skip
def test_patterns(maps, names, expected):
    assert list(rename(names, [Renaming.parse(m) for m in maps]).values()) == expected


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("nothing", 2, "says not what becomes of what"),
        ("=fc.", 2, "says not what becomes of what"),
        ("fc.=head", 2, "mixes the beginning of a name with a whole one"),
        ("*.a=b", 2, r"1 `\*` before the `=` and 0 behind"),
        ("module.=", 1, "--map module.= matches no name of the file"),
        ("fcc.=head.", 1, r"matches no name of the file\n  help: did you mean `fc\.`"),
        ("bn1.=conv1.", 1, "gives the name `conv1.weight` to both `conv1.weight` and `bn1.weight`"),
        ("fc.bias=", 1, "leaves nothing of the name `fc.bias`"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(option, code, message, cli, weights_file, tmp_path):
    done = run(cli, weights_file, "out.safetensors", "--map", option)
    assert done.exit_code == code
    assert re.search(message, done.output), done.output
    assert os.listdir(tmp_path) == ["w.pt"]


def test_the_weights_of_runs_go_anywhere(cli, tmp_path):
    options = ["--set", "n=1", "--set", "train.ema=0.9", "--steps", "3", "--device", "cpu", "--out", "run"]
    assert cli("train", "digits_resnet", *options).exit_code == 0
    done = run(cli, "run", "average.pt")
    assert done.exit_code == 0, done.output
    assert "of step-00000003, the EMA weights" in done.output
    assert run(cli, "run/checkpoints/step-00000003", "last.pt", "--key", "weights").exit_code == 0
    for name, file in (("average", "average"), ("last", "weights")):
        expected = load_file(tmp_path / "run" / "checkpoints" / "step-00000003" / f"{file}.safetensors")
        found = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    assert cli("convert", "run", "own.pt").exit_code == 0, "a run keeps its spec"
    assert "give its spec: --spec" in cli("convert", "own.pt", "other.pt").output
    refused = run(cli, "run", "other.pt", "--key", "best")
    assert (refused.exit_code, "has no best.safetensors" in refused.output) == (1, True)
    resumed = cli("train", "digits_resnet", *options, "--resume", "--backend", "flax")
    assert resumed.exit_code == 2
    assert "archspec convert run weights.safetensors" in resumed.output
    (tmp_path / "run" / "checkpoints" / "step-00000003" / "average.safetensors").write_bytes(b"")
    damaged = run(cli, "run", "other.pt")
    assert damaged.exit_code == 1
    assert "no checkpoint in run can be used" in damaged.output

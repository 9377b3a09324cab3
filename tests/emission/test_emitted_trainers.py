"""The `train.py` that both frameworks are given for one recipe: golden files, lint."""

import subprocess
import sys

import pytest

import archspec
from archspec.files import write_folder
from emitting import GOLDEN, RULES

RECIPES = {
    "plain": {},
    "everything": {
        "optimizer": {"lamb": {"weight_decay": 0.02, "decay_norm_and_bias": False, "always_adapt": False}},
        "loss": {"bce": {"threshold": 0.2}}, "clip_norm": 1.0, "ema": 0.999, "accumulate": 4,
        "precision": "fp16", "bad_loss": "skip", "data.mix": {"mixup": 0.2, "cutmix": 1.0},
    },
    "adamw": {
        "optimizer": {"adamw": {"weight_decay": 0.05, "decay_norm_and_bias": False}}, "precision": "bf16",
        "bad_loss": {"skip": {"spike": 4}}, "label_smoothing": 0.1, "ema": 0.99, "eval_hflip": True,
    },
    "nesterov": {
        "optimizer": {"sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "decay_norm_and_bias": False}},
        "clip_norm": 0.5, "accumulate": 2, "lr": [{"value": 0.1, "until": "train_error < 80%"}, {"value": 0.01}],
    },
    "frozen": {
        "optimizer": {"adamw": {"decay_norm_and_bias": False}}, "freeze": ["conv1", "bn1", "layer1.*"],
        "lr_scale": {"layer2.*": 0.1, "fc": 10}, "decay_scale": {"fc.*": 0}, "label_smoothing": 0.0,
    },
    "half_frozen": {"freeze": ["*.bias"], "optimizer": {"lamb": {"weight_decay": 0.1, "decay_norm_and_bias": False}}},
    "auxiliary": {"recipe": "imagenet_resnet", "accumulate": 2, "precision": "bf16", "label_smoothing": 0.1, "clip_norm": 1.0},
    "sgd": {"optimizer": {"sgd": {}}, "precision": "fp64", "data.mix": {"cutmix": 1.0}},
}  # fmt: skip
FRAMEWORKS = ["torch", "flax"]


@pytest.fixture(scope="module")
def emitted():
    """The files of each framework and recipe."""
    made = {}
    for framework in FRAMEWORKS:
        pytest.importorskip(framework)
        for key, changes in RECIPES.items():
            spec = "googlenet" if key == "auxiliary" else "cifar_resnet:resnet20"
            net = archspec.load(spec, set={f"train.{name}": v for name, v in changes.items()})
            made[framework, key] = archspec.emit(net, framework)
    return made


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("key", RECIPES)
def test_emitted_trainers_are_the_golden_ones(framework, key, emitted, request):
    path, text = GOLDEN / "trainers" / framework / f"{key}.py", emitted[framework, key]["train.py"]
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{framework}/{key}; see --update-golden"
    assert len(text.splitlines()) <= (120 if key == "plain" else 220)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_emitted_trainers_pass_ruff(framework, emitted, tmp_path):
    write_folder(tmp_path, {**emitted[framework, "auxiliary"], **emitted[framework, "plain"]})
    for key in RECIPES:
        (tmp_path / f"{key}.py").write_text(emitted[framework, key]["train.py"])
    files = [f"{key}.py" for key in RECIPES]
    ruff = [sys.executable, "-m", "ruff"]
    # the parts of a batch have its names (PLR1704), and `import torch.nn.functional as F` is PyTorch's own custom (N812)
    ignore = "--ignore=PLR2004,PLR1704,N812"
    for command in (["check", "--isolated", "--line-length=100", f"--select={RULES}", ignore],
                    ["format", "--check", "--isolated", "--line-length=100"]):  # fmt: skip
        done = subprocess.run([*ruff, *command, *files], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["Job", "Phase", "Training"])
def test_a_net_may_have_the_name_of_what_its_trainer_imports(framework, name):
    pytest.importorskip(framework)
    net = archspec.load("digits_resnet:resnet8", set={"class_name": name})
    source = archspec.emit(net, framework)["train.py"]
    assert f"from model import {name} as Net\n" in source
    assert "    raise SystemExit(main(Net, JOB, TRAINING))\n" in source

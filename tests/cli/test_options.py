"""Every option of every command: what it changes, or that it is refused where it cannot change anything."""

import inspect
import json

import pytest
import typer
from typer.testing import CliRunner

import archspec
from archspec_cli.main import app
from archspec_runtime.record.folder import read_metrics
from conftest import REPO
from runs import CPU

NET = "digits_resnet:resnet8"
GRID = ("sweep", "digits_resnet", "--set", "n=1", "--dry-run")
DRY = ("train", NET, "--dry-run")


def options():
    """Every option as `command --option`."""

    def walk(command, path):
        if not isinstance(command, typer.core.TyperGroup):
            for param in command.params:
                if param.param_type_name == "option":
                    yield f"{path} {max(param.opts, key=len)}"
            return
        for name in command.commands:
            yield from walk(command.commands[name], f"{path} {name}".strip())

    return set(walk(typer.main.get_command(app), ""))


# Two command lines that end with 0 and print different things: without an option and with it.
CHANGES = {
    "check --set": (("check", NET), ("--set", "n=2", "--format", "json"), "[]"),
    "check --preset": (("check", "digits_resnet"), ("--preset", "gone"), "gone"),
    "check --format": (("check", NET), ("--format", "json"), "[]"),
    "show --resolved": (("show", "resnet34"), ("--resolved",), "# specs/resnet34.yaml"),
    "show --set": (("show", NET, "--resolved"), ("--set", "act=tanh"), "--set"),
    "show --preset": (("show", "digits_resnet", "--resolved"), ("--preset", "plain8"), "preset plain8"),
    "summary --set": (("summary", NET), ("--set", "act=tanh"), "tanh"),
    "summary --preset": (("summary", "digits_resnet"), ("--preset", "resnet8"), "digits-resnet-8"),
    "summary --depth": (("summary", NET), ("--depth", 1), "layer1"),
    "summary --format": (("summary", NET), ("--format", "json"), '"modules"'),
    "build --emit": (("build", NET), ("--emit", "ir"), "digits-resnet-8"),
    "build --set": (("build", NET, "--emit", "ir"), ("--set", "act=tanh"), "tanh"),
    "build --preset": (("build", "digits_resnet", "--emit", "ir"), ("--preset", "plain8"), "plain-8"),
    "build --out": (("build", NET), ("--out", "elsewhere"), "elsewhere: "),
    "train --set": (DRY, ("--set", "train.batch_size=64"), "batch_size: 64"),
    "train --preset": (("train", "digits_resnet", "--dry-run"), ("--preset", "plain8"), "plain-8"),
    "train --steps": (DRY, ("--steps", 30), "30 steps"),
    "train --scale-schedule": ((*DRY, "--steps", 30), ("--scale-schedule",), "step 20"),
    "train --seed": (DRY, ("--seed", 3), "seed: 3"),
    "sweep --over": (GRID, ("--over", "shortcut=none"), "shortcut=none"),
    "sweep --seeds": (GRID, ("--seeds", 2), "seed=1"),
    "sweep --set": (GRID, ("--set", "shortcut=none"), "plain-8"),
    "sweep --preset": (("sweep", "digits_resnet", "--dry-run"), ("--preset", "plain8"), "plain-8"),
    "sweep --steps": (GRID, ("--steps", 30), "30 steps"),
    "diff --set": (("diff", "resnet18", "resnet18"), ("--set", "classes=10", "--format", "json"), "{"),
    "diff --format": (("diff", "resnet18", "resnet18"), ("--format", "json"), '"structure"'),
    "draw --set": (("draw", NET), ("--set", "name=other-net"), "other-net"),
    "draw --preset": (("draw", "digits_resnet"), ("--preset", "plain8"), "plain-8"),
    "list --format": (("list",), ("--format", "json"), '"specs"'),
}  # fmt: skip

# Command lines with an option that cannot have an effect, the exit code, and what is said.
REFUSED = {
    "show --set": (("show", NET, "--set", "n=2"), 2, "add --resolved"),
    "show --preset": (("show", "resnet18", "--preset", "x"), 2, "add --resolved"),
    "show --include": (("show", "resnet18", "--include", "."), 2, "add --resolved"),
    "summary --depth": (("summary", NET, "--depth", 2, "--format", "json"), 2, "JSON has all modules"),
    "check --format": (("check", NET, "--diff", "--format", "json"), 2, "leave one of them out"),
    "check --include": (("check", NET, "--include", "gone"), 2, "gone"),
    "play --port": (("play", NET, "--port", 70000), 2, "65535"),
    "play --include": (("play", NET, "--include", "gone"), 2, "gone"),
    "play --export": (("play", NET, "--export", "site", "--no-open"), 2, "serves no page"),
    "play --parts": (("play", NET, "--parts", "."), 2, "--parts is of --export"),
    "play --force": (("play", NET, "--force"), 2, "--force is of --export"),
    "lsp --include": (("lsp", "--include", "gone"), 2, "gone"),
    "build --backend": (("build", NET, "--emit", "ir", "--backend", "flax"), 2, "writes no folder"),
    "build --force": (("build", NET, "--emit", "ir", "--force"), 2, "writes no folder"),
    "build --weights": (("build", NET, "--emit", "ir", "--weights", "w.pt"), 2, "writes no folder"),
    "train --backend": ((*DRY, "--backend", "onnx"), 1, "does not train"),
    "train --data": ((*DRY, "--data", "."), 2, "takes no folder"),
    "train --fresh": ((*DRY, "--fresh", "fc"), 2, "--weights does not reach"),
    "train --scale-schedule": ((*DRY, "--scale-schedule"), 2, "--steps gives"),
    "train --seed": ((*DRY, "--seed", 1, "--set", "train.seed=2"), 2, "both give train.seed"),
    "train --steps": ((*DRY, "--steps", 300, "--set", "train.steps=400"), 2, "both give train.steps"),
    "train --override": ((*DRY, "--override"), 2, "give --resume as well"),
    "train --force": ((*DRY, "--force", "--resume"), 2, "give one of them"),
    "train --max-restarts": ((*DRY, "--max-restarts", 1), 2, "give --nproc"),
    "train --timeout": ((*DRY, "--timeout", 1), 2, "give --nproc"),
    "train --devices": ((*DRY, "--devices", 2), 2, "--nproc 2"),
    "train --shard": ((*DRY, "--shard", "--backend", "flax"), 2, "--backend torch"),
    "train --preset": (("train", NET, "--preset", "plain8", "--dry-run"), 1, "name one of them"),
    "sweep --seeds": ((*GRID, "--seeds", 2, "--set", "train.seed=1"), 2, "both give train.seed"),
    "sweep --set": ((*GRID, "--over", "n=1,2"), 2, "would be replaced"),
    "sweep --gpus": ((*GRID, "--gpus", 1), 2, "--gpus is of --launcher ray"),
    "sweep --jobs": ((*GRID, "--jobs", 2, "--launcher", "ray"), 2, "--jobs has no effect"),
    "sweep --backend": ((*GRID, "--backend", "onnx"), 1, "does not train"),
    "sweep --scale-schedule": ((*GRID, "--scale-schedule"), 2, "--steps gives"),
    "sweep --data": ((*GRID, "--data", "."), 2, "takes no folder"),
    "sweep --fresh": ((*GRID, "--fresh", "fc"), 2, "--weights does not reach"),
    "responses --force": (("responses", ".", "--force"), 2, "give --out"),
    "convert --to": (("convert", "w.safetensors", "x.safetensors", "--spec", NET, "--to", "flax"), 2, "leave --to out"),
    "convert --from": (("convert", "w.safetensors", "x.pt", "--spec", NET, "--from", "torch"), 2, "leave --from out"),
    "convert --key": (("convert", "w.safetensors", "x.pt", "--spec", NET, "--key", "ema"), 2, "leave --key out"),
    "convert --map": (("convert", "w.safetensors", "x.pt", "--spec", NET, "--map", "a.=b."), 1, "matches no name"),
    "draw --force": (("draw", NET, "--force"), 2, "give --out"),
    "predict --force": (("predict", ".", "x.jpg", "--force"), 2, "give --out"),
    "metrics --force": (("metrics", ".", "--force"), 2, "give --out"),
    "eval --force": (("eval", ".", "--mistakes", "--force"), 2, "give --predictions"),
    "import --force": (("import", "net.py:Net", "--force"), 2, "give --out or --weights-out"),
    "import --arg": (("import", "net.py:Net", "--arg", "width"), 2, "--arg takes KEY=VALUE"),
    "data verify --spec": (("data", "verify", ".", "--spec", NET, "--dataset", "cifar10"), 2, "leave one of them out"),
    "data pack --size": (("data", "pack", ".", "packed", "--dataset", "image_folder", "--size", 8), 2, "--as jpeg"),
    "data verify --dataset": (("data", "verify", ".", "--dataset", "nets"), 2, "there is no data set"),
}  # fmt: skip

# Where the effect of an option is asserted that takes more than a line: a test that gives it.
ELSEWHERE = {
    **dict.fromkeys(("new --from", "new --images", "new --classes", "new --channels", "new --size"), "test_new.py"),
    "train --from": "test_edited_trainers.py",
    "list --include": "test_showing.py",
    **dict.fromkeys(("play --no-open", "play --set", "play --preset"), "test_playground_command.py"),
    "check --strict": "test_unknown_anywhere.py",
    "check --fix": "test_fixing.py",
    "check --diff": "test_fixing.py",
    "build --backend": "test_cli.py",
    "build --weights": "test_convert.py",
    "build --force": "test_cli.py",
    "train --backend": "test_schedule_length.py",
    "train --data": "test_recipe_options.py",
    "train --weights": "test_spread.py",
    "train --fresh": "test_starting.py",
    "train --out": "test_given_twice.py",
    "train --device": "test_train_options.py",
    "train --resume": "test_schedule_length.py",
    "train --override": "test_faults.py",
    "train --dry-run": "test_train_options.py",
    "train --on": "analysis/test_roofline.py",
    "train --nproc": "test_many_devices.py",
    "train --max-restarts": "test_lost_devices.py",
    "train --timeout": "test_lost_devices.py",
    "train --devices": "test_many_devices.py",
    "train --shard": "test_many_devices.py",
    "train --deterministic": "accelerators/test_flax_programs.py",
    "train --force": "test_faults.py",
    "train --workers": "test_tars.py",
    "sweep --out": "test_sweep.py",
    "sweep --jobs": "test_sweep.py",
    "sweep --weights": "test_sweep.py",
    "sweep --launcher": "test_sweep.py",
    "sweep --dry-run": "test_sweep.py",
    "sweep --device": "test_sweep.py",
    "sweep --scale-schedule": "test_schedule_length.py",
    "responses --out": "test_measuring.py",
    "responses --images": "test_measuring.py",
    "report --out": "test_report.py",
    "report --title": "test_report.py",
    "report --force": "test_report.py",
    "compare --title": "trainer/test_what_runs_leave.py",
    "convert --spec": "test_convert.py",
    "convert --to": "test_convert.py",
    "convert --map": "test_foreign_weights.py",
    "convert --key": "test_foreign_weights.py",
    "convert --dtype": "test_damaged_weights.py",
    "convert --force": "test_damaged_weights.py",
    "data verify --spec": "test_data.py",
    "data fetch --out": "test_fetching.py",
    "data fetch --url": "test_fetching.py",
    "data fetch --md5": "test_fetching.py",
    "data pack --as": "test_data.py",
    "data pack --corrupt": "test_data.py",
    "eval --crops": "test_measuring.py",
    "eval --force": "test_mistakes.py",
    "eval --mistakes": "test_mistakes.py",
    "eval --predictions": "test_mistakes.py",
    **dict.fromkeys(
        (
            "import --arg",
            "import --check",
            "import --force",
            "import --input",
            "import --out",
            "import --spec",
            "import --weights-out",
        ),
        "test_imported_models.py",
    ),
    **dict.fromkeys(
        (
            *("port --to", "port --out", "port --arg", "port --input", "port --spec", "port --map", "port --key"),
            *("port --format", "port --force"),
        ),
        "test_port.py",
    ),
    "import --partial": "test_partial.py",
    "play --export": "test_playground_export.py",
    "predict --backend": "test_predict.py",
    "predict --device": "predicting.py",
    "predict --force": "test_predict.py",
    "predict --format": "test_predict.py",
    "predict --out": "test_predict.py",
    "predict --spec": "test_predict.py",
    "predict --top": "test_predict.py",
    "draw --depth": "test_draw_command.py",
    "draw --force": "test_draw_command.py",
    "metrics --format": "test_metrics.py",
    "metrics --out": "test_metrics.py",
    "metrics --force": "test_metrics.py",
    "train --log": "test_loggers.py",
    "draw --out": "test_draw_command.py",
    "eval --scales": "test_measuring.py",
    "eval --mirror": "test_measuring.py",
    "eval --split": "trainer/test_what_runs_leave.py",
    "eval --threads": "trainer/test_what_runs_leave.py",
    "eval --backend": "test_measuring.py",
}

# Options whose effect is asserted below, or in test_options_at_work.py.
HERE = {
    "check --include", "show --include", "summary --include", "build --include", "train --include", "sweep --include",
    "convert --include", "diff --include", "draw --include", "train --checkpoint-every", "train --eval-every", "train --threads",
    "train --compile", "sweep --checkpoint-every", "sweep --eval-every", "sweep --threads", "sweep --workers", "sweep --log",
    "sweep --compile", "train --workers", "eval --data", "eval --device", "eval --format", "responses --data",
    "responses --device", "responses --format", "responses --split", "responses --backend", "compare --out",
    "compare --format", "compare --force", "convert --set", "convert --preset", "data pack --spec",
    "data pack --dataset", "data pack --set", "data verify --set", "data fetch --layout", "sweep --data",
}  # fmt: skip


def test_every_option_of_every_command_is_tried():
    assert options() == CHANGES.keys() | REFUSED.keys() | ELSEWHERE.keys() | HERE


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with weights, and a run of a few steps."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("options")
    model = archspec.build(archspec.load(NET), "torch")
    save_file(model.state_dict(), folder / "w.safetensors")
    del torch
    command = [
        "train",
        NET,
        "--out",
        folder / "run",
        "--steps",
        22,
        "--eval-every",
        2,
        "--checkpoint-every",
        8,
        *CPU,
    ]
    done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def there(files, tmp_path):
    """The working folder with these files."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize("option", CHANGES)
def test_an_option_changes_what_is_printed(option, cli):
    words, given, says = CHANGES[option]
    without, with_ = cli(*words), cli(*words, *given)
    assert without.exit_code == 0, without.output
    assert without.output != with_.output
    assert says in with_.output, with_.output


@pytest.mark.parametrize("option", REFUSED)
def test_an_option_without_effect_is_refused(option, cli, there):
    words, code, says = REFUSED[option]
    assert option.split()[-1] in words
    result = cli(*words)
    assert result.exit_code == code, result.output
    assert says in result.output


@pytest.mark.parametrize("option", ELSEWHERE)
def test_what_is_asserted_elsewhere_is_given_there(option):
    (path,) = (REPO / "tests").rglob(ELSEWHERE[option])
    assert option.split()[-1] in path.read_text(encoding="utf-8") + inspect.getsource(__import__("runs"))


@pytest.mark.parametrize(
    "command", ["check", "show", "summary", "build", "train", "sweep", "diff", "convert", "draw"]
)
def test_include_lets_extends_reach_further(command, cli, there):
    (there / "base").mkdir()
    (there / "base" / "base.yaml").write_text("archspec: 1\nname: base\nextends: digits_resnet\nargs: {n: 1}\n")
    (there / "own").mkdir()
    (there / "own" / "net.yaml").write_text("archspec: 1\nname: net\nextends: ../base/base.yaml\n")
    words = {
        "show": ("--resolved",), "train": ("--dry-run",), "sweep": ("--dry-run",), "build": ("--emit", "ir"),
        "diff": ("own/net.yaml",),
    }  # fmt: skip
    given = (command, "own/net.yaml", *words.get(command, ()))
    if command == "convert":
        given = ("convert", "w.safetensors", "x.pt", "--spec", "own/net.yaml")
    refused = cli(*given)
    assert refused.exit_code == 1
    assert "--include" in refused.output or "include" in refused.output
    assert cli(*given, "--include", "base").exit_code == 0


def test_a_run_is_saved_and_evaluated_as_often_as_is_asked_for(files):
    rows = read_metrics(files / "run")
    assert [row["step"] for row in rows if row["kind"] == "eval"] == [22]  # of two epochs of 11 steps
    assert {p.name for p in (files / "run" / "checkpoints").iterdir()} == {"step-00000016", "step-00000022"}


def test_measuring_takes_its_options(cli, there):
    plain, as_json = cli("eval", "run", *CPU[:2]), cli("eval", "run", *CPU[:2], "--format", "json")
    assert json.loads(as_json.stdout)["images"] == 360
    assert plain.stdout != as_json.stdout
    for command in ("eval", "responses"):
        assert "takes no folder" in cli(command, "run", "--data", ".").stderr
        assert "there is no device" in cli(command, "run", "--device", "abacus").stderr
    assert "has no runs" in cli("responses", "run", "--backend", "onnx").stderr
    test, train = (
        json.loads(cli("responses", "run", "--format", "json", "--images", 9, "--split", split, *CPU[:2]).stdout)
        for split in ("test", "train")
    )
    assert test != train


def test_comparing_takes_its_options(cli, there):
    (there / "mine.png").write_bytes(b"mine")
    assert "mine.png" in cli("compare", "run", "--out", "mine.png").stderr
    assert cli("compare", "run", "--out", "mine.png", "--force").exit_code == 0
    assert (there / "mine.png").read_bytes() != b"mine"
    assert json.loads(cli("compare", "run", "--format", "json", "--out", "b.png").stdout)


def test_converting_takes_the_net_as_it_is_set(cli, there):
    words = ("convert", "w.safetensors", "x.pt", "--spec", "digits_resnet")
    assert cli(*words).exit_code == 1
    assert cli(*words, "--preset", "resnet8").exit_code == 0
    assert cli(*words, "--set", "n=1", "--force").exit_code == 0

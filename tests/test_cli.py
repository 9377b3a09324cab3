"""The commands as a user types them; training, evaluation and comparison have tests of their own."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

import archspec
from archspec import zoo
from archspec_cli.common import backend_names, spec_names

REPO = Path(__file__).parent.parent


def test_version_is_the_packages(cli):
    assert cli("--version").output == f"archspec {archspec.__version__}\n"


def test_help_shows_examples_for_every_command(cli):
    names = re.findall(r"^│ (\w+)  ", cli("--help").output, re.MULTILINE)
    assert set(names) == {"check", "data", "show", "summary", "build", "train", "eval", "compare", "convert", "diff",
                          "explain", "schema", "list", "doctor", "sweep", "responses", "report"}  # fmt: skip
    for name in names:
        assert "Example" in cli(name, "--help").output


def test_no_command_is_misuse(cli):
    assert cli().exit_code == 2
    assert cli("chekc").exit_code == 2


def test_completion_can_be_shown():
    environment = {
        **os.environ,
        "_ARCHSPEC_COMPLETE": "complete_bash",
        "COMP_WORDS": "archspec su",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'archspec'; from archspec_cli.main import main; main()"],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["summary"], done.stderr


def test_a_command_imports_none_of_the_others():
    code = "import sys\ntry: main()\nfinally: print(*sorted(m for m in sys.modules if m.startswith('archspec_cli.commands.')))"
    done = subprocess.run(
        [sys.executable, "-c", f"from archspec_cli.main import main\n{code}", "check", "resnet18"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "archspec_cli.commands.check", done.stderr


def test_a_mistyped_command_is_told_what_was_meant(cli):
    assert "'check'" in cli("chekc").output


def test_train_without_data_says_what_it_needs_and_how_it_is_laid_out(cli, tmp_path):
    result = cli("train", "resnet50", "--out", "run")
    assert result.exit_code == 1
    assert "trains on a folder of images, and --data does not say which" in result.output
    for word in ("ROOT/train/<class>/", "ROOT/val/<class>/", "image-net.org"):
        assert word in result.output


def test_list_names_every_spec_with_its_presets(cli):
    output = cli("list").output
    for name in zoo.names():
        assert re.search(rf"^{name} ", output, re.MULTILINE)
    assert "25,557,032 parameters" in output
    assert "resnet1202" in output


def test_check_exits_0_1_2(cli, spec):
    assert cli("check", "resnet50", "cifar_resnet:plain20").exit_code == 0
    assert cli("check", REPO / "specs").exit_code == 0
    assert cli("check", spec("input: {size: 8}\n")).exit_code == 1
    assert cli("check", "resnet50", "--format", "xml").exit_code == 2


def test_summary_collapses_repeats_and_gives_the_counts(cli):
    deep = cli("summary", "cifar_resnet:resnet1202").output
    assert len(deep.splitlines()) < 60
    assert "199 x basic" in deep
    assert "19,421,274" in deep.replace("\n", "")
    paper, ours = cli("summary", "resnet50:paper").output, cli("summary", "resnet50").output
    assert "stride_in_1x1" in paper
    assert "stride_in_1x1" not in ours
    assert "3,857,973,248" in paper
    assert "4,089,184,256" in ours


def test_folders_are_checked_for_what_says_that_it_is_a_spec(cli, tmp_path):
    (tmp_path / "nets" / ".git").mkdir(parents=True)
    for name in ("nets/a.yaml", "nets/b.yml", "nets/.git/c.yaml"):
        (tmp_path / name).write_text(zoo.find("resnet18").read_text())
    (tmp_path / "nets" / "compose.yaml").write_text("services: {}\n")
    result = cli("check", "nets")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "2 specs without mistakes", "1 other .yaml file without `archspec: 1` left out"]  # fmt: skip
    (tmp_path / "nets" / "b.yml").write_text("archspec: 1\n")
    assert cli("check", "nets").exit_code == 1
    (tmp_path / "none").mkdir()
    assert "none holds no specs" in cli("check", "none").output


def test_what_scripts_read_is_json(cli, tmp_path):
    summary = json.loads(cli("summary", "resnet50", "--format", "json").stdout)
    assert summary["cost"]["params"] == sum(row["params"] for row in summary["modules"]) == 25_557_032
    assert summary["modules"][0] == {
        "name": "conv1",
        "op": "conv",
        "output": [64, 112, 112],
        "params": 9408,
        "macs": 118013952,
    }
    listed = json.loads(cli("list", "--format", "json").stdout)
    assert {"paper", "a1"} <= set(next(spec["presets"] for spec in listed["specs"] if spec["name"] == "resnet50"))
    assert {"recipes", "blocks", "shortcuts"} <= listed.keys()
    difference = json.loads(cli("diff", "resnet50", "resnet50:paper", "--format", "json").stdout)
    assert difference["cost"]["macs"] == [4089184256, 3857973248]


def test_shells_complete_specs_presets_and_backends():
    assert "resnet50" in spec_names("resn")
    assert spec_names("cifar_resnet:resnet11") == ["cifar_resnet:resnet110"]
    assert spec_names("my.ya") == []
    assert backend_names("fl") == ["flax"]


def test_recipes_can_be_shown_to_be_copied(cli):
    assert cli("show", "imagenet_a1").output == zoo.recipe("imagenet_a1").read_text()
    assert cli("show", "recipes/cifar_resnet").output == zoo.recipe("cifar_resnet").read_text()


def test_options_that_do_nothing_here_are_refused(cli):
    assert "add --resolved" in cli("show", "resnet50", "--set", "classes=3").output
    assert "leave out --out" in cli("build", "resnet50", "--emit", "ir", "--out", "net").output
    assert "AS405" in cli("explain", "405").output


def test_the_folder_of_a_run_is_told_where_its_spec_is(cli, tmp_path):
    (tmp_path / "run" / "code").mkdir(parents=True)
    (tmp_path / "run" / "code" / "spec.yaml").write_text("")
    assert "the spec of this run is run/code/spec.yaml" in cli("summary", "run").output


def test_diff_shows_structure_and_cost(cli):
    assert cli("diff", "resnet50", "resnet50").exit_code == 0
    result = cli("diff", "resnet50", "resnet50:paper")
    assert result.exit_code == 1
    assert "macs: 4,089,184,256 -> 3,857,973,248 (-231,211,008)" in result.output
    changes = [line for line in result.output.splitlines() if line.startswith("~ ")]
    assert changes.count("~ bottleneck: stride_in_1x1 false -> true") == 1, (
        "what changes alike in each stage is said once"
    )
    assert "@ layer2 > 1 x bottleneck, layer3 > 1 x bottleneck, layer4 > 1 x bottleneck" in result.output
    assert "~ conv1: stride 1x1 -> 2x2" in changes
    assert "~ conv1, bn1, relu: 128x56x56 -> 128x28x28" in changes
    deeper = cli("diff", "cifar_resnet", "cifar_resnet:resnet56").output
    assert "@ layer2, layer3\n~ basic: repeat 2 -> 8\n" in deeper
    assert len(cli("diff", "resnet50", "resnet18").output.splitlines()) < 40, (
        "blocks that are others are not opened"
    )
    modern = cli("diff", "resnet50", "resnet50:a1").output
    assert "+     1 x bottleneck" not in modern, "stages of one length are compared block by block"
    assert "\ntrain.batch_size: 256 -> 2048\n" in modern
    recipe = cli("diff", "resnet50", "resnet50:torchvision_v2")
    assert recipe.exit_code == 1
    assert "\ntrain.epochs: none -> 600\n" in recipe.output
    plain = cli("diff", "resnet34", "plain34").output
    assert "-173,824" in plain, "the projections' parameters"


def test_show_prints_the_file_and_where_resolved_values_come_from(cli):
    assert cli("show", "plain34").output == (zoo.folder() / "plain34.yaml").read_text()
    text = cli("show", "cifar_resnet:plain56", "--resolved", "--set", "train.batch_size=64").output
    origin = {line.split("#")[0].strip(): line.split("#")[-1].strip() for line in text.splitlines() if "#" in line}
    assert origin["batch_size: 64"].startswith("--set")
    assert origin["shortcut: none"] == "specs/cifar_resnet.yaml:21 (args.shortcut, preset plain56)"
    assert origin["steps: 64000"].startswith("specs/recipes/cifar_resnet.yaml:")


def test_each_value_of_a_stage_says_where_it_came_from(cli, spec):
    path = spec("archspec: 1\nextends: cifar_resnet\nstages:\n  layer2: {width: 48}\n")
    text = cli("show", path, "--resolved", "--set", "train.optimizer.sgd.momentum=0.8").output
    origin = {line.split("#")[0].strip(): line.split("#")[-1].strip() for line in text.splitlines() if "#" in line}
    assert origin["- name: layer2"] == origin["stride: 2"] == "specs/cifar_resnet.yaml:28"
    assert origin["width: 48"] == f"{path}:4"
    assert origin["momentum: 0.8"] == "--set"
    assert origin["weight_decay: 0.0001"] == "specs/recipes/cifar_resnet.yaml:5"
    assert origin["- {name: layer1, block: basic, repeat: 3, width: 16}"] == "specs/cifar_resnet.yaml:27"


@pytest.mark.parametrize(
    "name", ["resnet50:paper", "plain34", "cifar_resnet:plain56", "digits_resnet", "vgg19", "cifar_highway"]
)
def test_the_resolved_spec_is_a_spec_of_the_same_net(name, cli, tmp_path):
    path = tmp_path / "resolved.yaml"
    path.write_text(cli("show", name, "--resolved").output)
    net, again = archspec.load(name), archspec.load(path)
    assert again.fingerprint == net.fingerprint
    assert again.recipe == net.recipe


def test_ir_has_a_textual_form(cli):
    text = cli("build", "resnet50", "--emit", "ir").output
    assert text.startswith("net resnet50 (input: 3x224x224) -> (1000) {\n")
    assert "2 x bottleneck" in text
    assert "maxpool = max_pool(relu) [kernel=3x3 stride=2x2 padding=1x1 ceil=false] : 64x56x56" in text


def test_build_writes_a_folder_and_refuses_foreign_files(cli, tmp_path):
    assert cli("build", "resnet18").exit_code == 0
    assert (tmp_path / "resnet18" / "model.py").is_file()
    assert cli("build", "resnet18", "--set", "classes=10").exit_code == 0, "its own files may be written anew"
    assert "num_classes: int = 10" in (tmp_path / "resnet18" / "model.py").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.py").write_text("precious")
    refused = cli("build", "resnet18", "--out", "mine")
    assert refused.exit_code == 2
    assert "--force" in refused.output
    assert (tmp_path / "mine" / "model.py").read_text() == "precious"
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["model.py"]
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    assert cli("build", "resnet18", "--out", "mine", "--force").exit_code == 0
    assert (tmp_path / "mine" / "notes.txt").read_text() == "precious"
    assert cli("build", "resnet18", "--out", "mine/notes.txt").exit_code == 2
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "nothing half-written is left"


def test_unknown_backend_is_named_with_what_there_is(cli):
    result = cli("build", "resnet18", "--backend", "tensorflow")
    assert result.exit_code == 1
    assert "AS701" in result.output
    assert "torch" in result.output


def test_schema_accepts_the_zoo_and_rejects_what_a_schema_can(cli, spec):
    schema = json.loads(cli("schema").output)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    validator = jsonschema.Draft7Validator(schema)
    validator.check_schema(schema)
    for path in (REPO / "specs").glob("*.yaml"):
        assert path.read_text().startswith("# yaml-language-server: $schema=")
        assert [e.message for e in validator.iter_errors(yaml.safe_load(path.read_text()))] == []
    sound = {"archspec": 1, "input": {"size": 8}, "classes": 3, "head": ["global_avg_pool"]}
    assert validator.is_valid(sound)
    for wrong in ({"stagse": []}, {"archspec": 2}, {"classes": 0}, {"classes": []}, {"input": {"size": 8, "colour": 1}},
                  {"stages": [{"name": "a"}]}, {"train": {"batch_size": -1}},
                  {"init": {"conv": "he_norml"}}):  # fmt: skip
        assert not validator.is_valid({**sound, **wrong}), wrong


def test_schema_in_the_docs_is_the_one_that_is_printed(cli):
    assert (REPO / "docs" / "archspec.schema.json").read_text() == cli("schema").output


def test_doctor_lists_versions_and_devices(cli):
    result = cli("doctor")
    assert result.exit_code == 0
    for part in ("python", "pydantic", "backend torch", "cpu with"):
        assert part in result.output


def test_doctor_lists_every_extra_with_what_is_missing_and_the_command(cli, monkeypatch):
    import tomllib

    from archspec import extras

    declared = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.PURPOSES) == set(declared) - extras.COLLECTIONS - {"torch", "flax", "onnx"}
    lines = [f"{package}; extra == '{name}'" for name, packages in declared.items() for package in packages]
    monkeypatch.setattr(extras, "requires", lambda name: lines)
    installed = {"simplejpeg": "1.6.9", "opencv-python-headless": "5.0.0.93", "pyarrow": "26.0", "ray": "2.10.0rc1"}

    def version(name):
        if name in installed:
            return installed[name]
        raise extras.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "version", version)
    out = cli("doctor").stdout
    images = out.partition("--   extra images: ")[2].splitlines()
    assert images[0].startswith(
        "opencv-python-headless 5.0.0.93; not installed: simplejpeg of 1.7 or newer (there is 1.6.9), cykooz-resizer"
    )
    assert images[1].strip() == "pip install 'archspec-nn[images]'"
    assert "ok   extra parquet: pyarrow 26.0\n" in out
    assert "ok   extra ray: ray 2.10.0rc1\n" in out
    assert "--   extra webdataset: not installed: braceexpand (braces in the names of tars)\n" in out


def test_doctor_explains_the_unrelated_package_of_the_same_name(process, tmp_path):
    info = tmp_path / "other" / "archspec-0.2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: archspec\nVersion: 0.2.5\n")
    result = process("doctor", env={**os.environ, "PYTHONPATH": str(tmp_path / "other")})
    assert result.returncode == 1
    assert "0.2.5" in result.stdout
    assert "pip uninstall archspec" in result.stdout


BROKEN = {
    "no_such_module": "import no_such_module",
    "ZeroDivisionError: division by zero": "1 / 0",
    "SyntaxError: invalid syntax": "def (",
    "SystemExit: 3": "raise SystemExit(3)",
    "ValueError: no settings": "class Backend:\n    def __init__(self): raise ValueError('no settings')",
    "it lacks supported, errors, formats, emit,": "class Backend:\n    name = 'broken'",
}


def test_a_broken_backend_is_named_with_its_error_and_breaks_no_other(cli, tmp_path, monkeypatch):
    info = tmp_path / "other" / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[archspec.backends]\nbroken = broken_backend:Backend\n")
    monkeypatch.syspath_prepend(tmp_path / "other")
    for says, text in BROKEN.items():
        (tmp_path / "other" / "broken_backend.py").write_text(text)
        sys.modules.pop("broken_backend", None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "other" / "__pycache__", ignore_errors=True)
        for result in (cli("doctor"), cli("build", "resnet18", "--backend", "broken")):
            assert result.exit_code == 1
            assert isinstance(result.exception, SystemExit), "a traceback"
            assert says in result.output
            assert "pip uninstall broken" in result.output
        assert cli("build", "digits_resnet", "--backend", "torch", "--out", "built").exit_code == 0
    (tmp_path / "w.safetensors").touch()
    assert "w.safetensors" in cli("convert", "w.safetensors", "w.pt", "--spec", "digits_resnet").stderr


def test_backend_that_is_not_installed_says_which_extra(process, tmp_path):
    shadow = tmp_path / "shadow" / "torch"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('no torch here')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "shadow")}
    result = process("train", "digits_resnet", "--steps", 1, env=environment)
    assert result.returncode == 1
    assert "archspec-nn[torch]" in result.stderr
    assert "Traceback" not in result.stderr
    assert process("build", "digits_resnet", env=environment).returncode == 0, "source is written without it"


@pytest.mark.parametrize("terminal", [False, True])
def test_colour_only_on_a_terminal_and_never_with_no_color(terminal, spec, tmp_path):
    path = spec("input: {size: 8}\n")
    command = f"{sys.executable} -c 'from archspec_cli.main import main; main()' check {path}"
    shell = ["script", "-qec", command, "/dev/null"] if terminal else ["sh", "-c", command]
    plain = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    run = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    assert ("\x1b[" in subprocess.run(shell, env=plain, **run).stdout) == terminal
    assert "\x1b[" not in subprocess.run(shell, env={**plain, "NO_COLOR": "1"}, **run).stdout


def test_spaces_and_unicode_in_paths_without_home_and_locale(process, tmp_path):
    folder = tmp_path / "mein Netz – 残差"
    folder.mkdir()
    (folder / "ébauche 1.yaml").write_text("archspec: 1\nname: net\nextends: resnet18\n", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = process("build", folder / "ébauche 1.yaml", "--out", folder / "gebaut", env=environment)
    assert done.returncode == 0, done.stderr
    assert (folder / "gebaut" / "model.py").is_file()


def test_a_closed_pipe_ends_quietly():
    command = (
        f"{sys.executable} -c 'from archspec_cli.main import main; main()' build resnet152 --emit ir | head -1"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_a_rebuilt_folder_keeps_what_was_edited_and_nothing_of_another_backend(cli, tmp_path):
    assert cli("build", "digits_resnet", "--out", "net").exit_code == 0
    assert cli("build", "digits_resnet", "--out", "net", "--backend", "flax").exit_code == 0
    assert not (tmp_path / "net" / "archspec_torch").exists()
    assert cli("build", "digits_resnet", "--out", "net").exit_code == 0
    assert not (tmp_path / "net" / "archspec_flax").exists()

    model = tmp_path / "net" / "model.py"
    mine = model.read_text() + "# mine\n"
    model.write_text(mine)
    result = cli("build", "digits_resnet", "--out", "net", "--backend", "flax")
    assert result.exit_code == 2
    assert "model.py was changed after it was built" in result.output
    assert model.read_text() == mine
    assert (tmp_path / "net" / "archspec_torch").is_dir()
    assert cli("build", "digits_resnet", "--out", "net", "--force").exit_code == 0
    assert model.read_text() != mine


def test_show_prints_a_block_of_the_library_which_can_be_copied(cli, tmp_path):
    text = cli("show", "basic").output
    assert text == zoo.library()["basic"].read_text()
    copied = "".join(f"    {line}\n" for line in text.splitlines())
    (tmp_path / "mine.yaml").write_text(
        f"archspec: 1\nextends: resnet18\nblocks:\n  mine:\n{copied}stages: {{layer1: {{block: mine}}}}\n"
    )
    assert cli("check", "mine.yaml").exit_code == 0
    listed = cli("list").output
    assert all(name in listed for name in zoo.library())

"""The commands as a user types them; training, evaluation and comparison have tests of their own."""

import json
import os
import re
import subprocess
import sys

import jsonschema
import numpy as np
import pytest
import yaml

import archspec
from archspec.files import FolderError
from archspec.loading import zoo
from archspec_cli.common import backend_names, spec_names
from conftest import REPO

TWO_CLASSES = (
    "archspec: 1\nname: net\ninput: {size: 8}\nclasses: 2\npresets: {wide: {classes: 7}}\n"
    "stem: [conv: {out: 4, kernel: 3}]\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
)


def test_version_is_the_packages(cli):
    assert cli("--version").output == f"archspec {archspec.__version__}\n"


def test_help_shows_examples_for_every_command(cli):
    names = re.findall(r"^│ (\w+)  ", cli("--help").output, re.MULTILINE)
    assert set(names) == {"new", "check", "data", "show", "summary", "draw", "build", "train", "eval", "predict", "compare",
                          "convert",
                          "import", "port", "lsp", "play", "diff",
                          "explain", "schema", "list", "doctor", "sweep", "responses", "report", "metrics"}  # fmt: skip
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


PROCESS = """
import atexit, gc, sys
atexit.register(lambda: print("searched for cycles:", len(gc.get_objects())))  # the last to be called
from archspec_cli.entry import main
try: main()
finally: print("commands:", *sorted(m for m in sys.modules if m.startswith("archspec_cli.commands.")))
"""


@pytest.fixture(scope="module")
def checked():
    """What a process that checks a spec prints, by line."""
    done = subprocess.run([sys.executable, "-c", PROCESS, "check", "resnet18"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ") for line in done.stdout.splitlines() if ": " in line)


def test_a_command_imports_none_of_the_others(checked):
    assert checked["commands"] == "archspec_cli.commands.check"


def test_a_command_ends_without_a_search_through_all_that_it_made(checked):
    assert int(checked["searched for cycles"]) < 1000


def test_a_mistyped_command_is_told_what_was_meant(cli):
    assert "'check'" in cli("chekc").output


def test_train_without_data_says_what_it_needs_and_how_it_is_laid_out(cli, tmp_path):
    result = cli("train", "resnet50", "--out", "run")
    assert result.exit_code == 1
    assert "trains on a folder of images, and --data does not say which" in result.output
    for word in ("ROOT/train/<class>/", "ROOT/val/<class>/", "image-net.org"):
        assert word in result.output


@pytest.mark.parametrize(
    ("words", "help_"),
    [
        (("summary", "cifar_resnet", "--set", "classes", "5"), "--set classes=5"),
        (("check", "cifar_resnet", "--set", "name", "a b"), "--set 'name=a b'"),
        (("sweep", "cifar_resnet", "--seed", "3"), "write --seeds, or --set train.seed=VALUE"),
        (("show", "basic", "--resolved"), "archspec show basic"),
        (("explain", "AS399"), "from AS301 to AS315"),
        (("explain", "AS999"), "they go from AS001"),
        (("explain", "nothing_of_all"), "such as AS405, conv, bottleneck or train.lr"),
        (("explain", "conv.kernels"), "`archspec explain conv` says what it takes"),
    ],
)
def test_what_was_meant_is_said_as_it_is_written(words, help_, cli):
    result = cli(*words)
    assert result.exit_code == 2
    assert help_ in " ".join(result.output.split())


def test_check_exits_0_1_2(cli, spec):
    assert cli("check", "resnet50", "cifar_resnet:plain20").exit_code == 0
    assert cli("check", REPO / "specs").exit_code == 0
    assert cli("check", spec("input: {size: 8}\n")).exit_code == 1
    assert cli("check", "resnet50", "--format", "xml").exit_code == 2


def test_folders_are_checked_for_what_says_that_it_is_a_spec(cli, tmp_path):
    (tmp_path / "nets" / ".git").mkdir(parents=True)
    for name in ("nets/a.yaml", "nets/b.yml", "nets/.git/c.yaml"):
        (tmp_path / name).write_text(zoo.find("resnet18").read_text())
    (tmp_path / "nets" / "compose.yaml").write_text("services: {}\n")
    result = cli("check", "nets")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "2 specs without errors", "1 other .yaml file without `archspec: 1` left out"]  # fmt: skip
    (tmp_path / "nets" / "b.yml").write_text("archspec: 1\n")
    assert cli("check", "nets").exit_code == 1
    (tmp_path / "none").mkdir()
    assert "none holds no specs" in cli("check", "none").output


def test_shells_complete_specs_presets_and_backends():
    assert "resnet50" in spec_names("resn")
    assert spec_names("cifar_resnet:resnet11") == ["cifar_resnet:resnet110"]
    assert spec_names("my.ya") == []
    assert backend_names("fl") == ["flax"]


def test_options_that_do_nothing_here_are_refused(cli):
    assert "add --resolved" in cli("show", "resnet50", "--set", "classes=3").output
    assert "leave out --out" in cli("build", "resnet50", "--emit", "ir", "--out", "net").output
    assert "AS405" in cli("explain", "405").output


def test_the_folder_of_a_run_is_told_where_its_spec_is(cli, tmp_path):
    (tmp_path / "run" / "code").mkdir(parents=True)
    (tmp_path / "run" / "code" / "spec.yaml").write_text("")
    assert "the spec of this run is run/code/spec.yaml" in cli("summary", "run").output


def test_build_writes_a_folder_and_refuses_foreign_files(cli, tmp_path):
    assert cli("build", "resnet18").exit_code == 0
    assert (tmp_path / "resnet18" / "model.py").is_file()
    assert cli("build", "resnet18", "--backend", "flax").exit_code == 0, "its own files may be written anew"
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


@pytest.mark.parametrize("terminal", [False, True])
def test_colour_only_on_a_terminal_and_never_with_no_color(terminal, spec, tmp_path):
    path = spec("input: {size: 8}\n")
    command = f"{sys.executable} -c 'from archspec_cli.main import main; main()' check {path}"
    shell = ["script", "-qec", command, "/dev/null"] if terminal else ["sh", "-c", command]
    plain = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    run = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    assert ("\x1b[" in subprocess.run(shell, env=plain, **run).stdout) == terminal
    assert "\x1b[" not in subprocess.run(shell, env={**plain, "NO_COLOR": "1"}, **run).stdout


def test_spaces_and_unicode_in_paths_without_home_and_locale(tmp_path):
    """As where PyTorch is not installed, which takes seconds to import; with it: `test_surroundings.py`."""
    folder = tmp_path / "mein Netz – 残差"
    folder.mkdir()
    (folder / "ébauche 1.yaml").write_text("archspec: 1\nname: net\nextends: resnet18\n", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0"}
    program = "import sys; sys.modules['torch'] = None; from archspec_cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", folder / "ébauche 1.yaml", "--out", folder / "gebaut"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
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


def test_a_build_of_another_net_is_not_replaced_unasked(cli, tmp_path):
    assert cli("build", "digits_resnet", "--set", "n=1", "--out", "net").exit_code == 0
    held = (tmp_path / "net" / "model.py").read_text()
    result = cli("build", "digits_resnet", "--set", "n=2", "--out", "net")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: net holds the net digits-resnet-8, and digits-resnet-14 would replace it\n"
        "  help: give another --out, or --force to replace it\n"
    )
    assert (tmp_path / "net" / "model.py").read_text() == held
    assert cli("build", "digits_resnet", "--set", "n=2", "--out", "net", "--force").exit_code == 0
    assert (tmp_path / "net" / "model.py").read_text() != held


def test_a_build_of_another_spec_or_with_other_options_is_not_replaced_unasked(cli, spec, tmp_path):
    net = spec(TWO_CLASSES)
    assert cli("build", net, "--out", "built").exit_code == 0
    spec(TWO_CLASSES.replace("out: 4", "out: 6"))
    assert cli("build", net, "--out", "built").exit_code == 0, "an edited spec is built anew where it was"
    assert "Conv2d(3, 6" in (tmp_path / "built" / "model.py").read_text()

    other = spec(TWO_CLASSES, "elsewhere/net.yaml")
    for words, was in (
        (("net.yaml", "--set", "classes=5"), "net.yaml"),
        (("net.yaml", "--preset", "wide"), "net.yaml"),
        ((other.relative_to(tmp_path),), "net.yaml"),
    ):
        result = cli("build", *words, "--out", "built")
        asked = f"{words[0]}:wide" if "--preset" in words else " ".join(map(str, words))
        assert (result.exit_code, result.stderr) == (
            2,
            f"error: built holds the build of `{was}`, and that of `{asked}` would replace it\n"
            "  help: give another --out, or --force to replace it\n",
        )
    (tmp_path / "built").rename(tmp_path / "moved")
    assert cli("build", net, "--out", "moved").exit_code == 0
    assert cli("build", net, "--set", "classes=5", "--out", "moved", "--force").exit_code == 0
    assert cli("build", net, "--set", "classes=5", "--out", "moved").exit_code == 0

    with pytest.raises(FolderError, match=r"that of `net\.yaml` would replace it"):
        archspec.emit(archspec.load("net.yaml"), "torch").write("moved")
    text = archspec.load(TWO_CLASSES)
    for _ in range(2):
        archspec.emit(text, "torch").write("of_text")
    with pytest.raises(FolderError, match="of_text holds another net net, which this one would replace"):
        archspec.emit(archspec.load(TWO_CLASSES, set={"classes": 3}), "torch").write("of_text")


def test_weights_in_a_built_folder_are_not_taken_away_unasked(cli, spec, tmp_path):
    net = archspec.load(spec(TWO_CLASSES))
    weights = {name: np.zeros(shape, np.float32) for name, shape in net.tensor_shapes().items()}
    archspec.emit(net, "torch", weights=weights).write("built")
    result = cli("build", "net.yaml", "--out", "built")
    assert (result.exit_code, "error: built holds weights, and this build has none\n" in result.stderr) == (2, True)
    assert (tmp_path / "built" / "weights.safetensors").is_file()


def test_the_printed_network_takes_no_options_of_a_folder(cli):
    for words in (("--backend", "torch"), ("--force",), ("--out", "x"), ("--weights", "w.pt")):
        result = cli("build", "resnet18", "--emit", "ir", *words)
        assert result.exit_code == 2
        assert "--emit ir prints the network" in result.stderr


def test_a_folder_of_runs_names_one_where_a_run_is_meant(cli, tmp_path):
    for name in "ba":
        (tmp_path / "sweep" / name).mkdir(parents=True)
        (tmp_path / "sweep" / name / "run.json").touch()
    for words in (("eval", "sweep"), ("predict", "sweep", "x.jpg")):
        assert "help: it holds runs: give one of them, such as sweep/a\n" in cli(*words).stderr

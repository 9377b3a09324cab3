"""A first spec: what is written has no mistakes, nothing is replaced, and choices that do not fit are said."""

import subprocess
import sys

import pytest

import archspec


@pytest.fixture
def flowers(tmp_path):
    """A folder of images of three classes, with none to test on."""
    for name in ("daisy", "rose", "tulip", ".cache"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
    return "flowers"


@pytest.mark.parametrize(
    ("words", "shape", "classes"),
    [
        ((), (1, 8, 8), 10),
        (("--images", "cifar10"), (3, 32, 32), 10),
        (("--images", "cifar10", "--from", "mobilenet_v2"), (3, 32, 32), 10),
        (("--images", "flowers"), (3, 224, 224), 3),
        (("--images", "flowers", "--size", "96", "--channels", "1"), (1, 96, 96), 3),
        (("--images", "flowers", "--from", "resnet18"), (3, 224, 224), 3),
        (("--images", "flowers", "--from", "vgg16", "--size", "64"), (3, 64, 64), 3),
    ],
)
def test_what_is_written_has_no_mistakes_and_is_of_these_images(cli, flowers, words, shape, classes):
    done = cli("new", "first.yaml", *words)
    assert done.exit_code == 0, done.output
    net = archspec.load("first.yaml")
    assert not net.warnings
    assert (net.name, net.input_shape, net.classes) == ("first", shape, classes)
    assert cli("train", "first.yaml", "--dry-run").exit_code == 0


def test_the_net_that_is_written_out_has_a_plain_twin_and_a_deeper_one(cli):
    cli("new", "own.yaml")
    plain, deep = archspec.load("own.yaml", set={"shortcut": "none"}), archspec.load("own.yaml", set={"n": 3})
    assert cli("diff", "own.yaml", "own.yaml").output == "no difference\n"
    assert deep.cost.depth == archspec.load("own.yaml").cost.depth + 12
    assert plain.cost.params < archspec.load("own.yaml").cost.params


def test_without_images_to_test_on_some_are_set_aside(cli, flowers, tmp_path):
    cli("new", "with.yaml", "--images", flowers)
    (tmp_path / flowers / "val").mkdir()
    cli("new", "without.yaml", "--images", flowers, "--classes", "4")
    assert "test: 20%" in (tmp_path / "with.yaml").read_text()
    assert "test:" not in (tmp_path / "without.yaml").read_text()


def test_a_file_that_is_there_stays(cli, tmp_path):
    (tmp_path / "mine.yaml").write_text("mine")
    done = cli("new", "mine.yaml")
    assert (done.exit_code, (tmp_path / "mine.yaml").read_text()) == (2, "mine")
    assert "stays as it is" in done.stderr


@pytest.mark.parametrize("name", ["true", "1", "a: b", "Ärger", "my net.v2"])
def test_a_file_of_any_name_makes_a_net_that_has_one(cli, name):
    assert cli("new", f"{name}.yaml").exit_code == 0
    assert cli("check", f"{name}.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("net.txt",), "archspec new net.yaml"),
        (("gone/net.yaml",), "mkdir -p gone"),
        ((".yaml",), "archspec new net.yaml"),
        (("/dev/null/net.yaml",), "/dev/null is no folder"),
        ((f"{'x' * 300}.yaml",), "another name of the file"),
        (("net.yaml", "--from", "resnt18"), "did you mean `resnet18`"),
        (("net.yaml", "--images", "gone"), "neither digits nor cifar10 nor a folder"),
        (("net.yaml", "--images", "."), "a folder of its own"),
        (("net.yaml", "--images", "cifar10", "--classes", "3"), "leave --classes out"),
        (("net.yaml", "--images", "digits", "--from", "inception_v3"), "do not fit together"),
        (("net.yaml", "--images", "digits", "--size", "16"), "leave --size out"),
        (("net.yaml", "--images", "digits", "--channels", "3"), "leave --channels out"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(cli, tmp_path, words, says):
    done = cli("new", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


def test_python_runs_the_command_line_as_a_module():
    done = subprocess.run([sys.executable, "-m", "archspec", "--version"], capture_output=True, text=True)
    assert done.stdout == f"archspec {archspec.__version__}\n", done.stderr


def test_what_is_to_be_typed_next_can_be_typed(cli, tmp_path):
    (tmp_path / "my flowers" / "train" / "rose").mkdir(parents=True)
    (tmp_path / "my flowers" / "train" / "tulip").mkdir()
    done = cli("new", "my net.yaml", "--images", "my flowers", "--size", 32)
    assert "  archspec train 'my net.yaml' --data 'my flowers'\n" in done.stdout
    assert "archspec new net.yaml" in cli("new", "").stderr

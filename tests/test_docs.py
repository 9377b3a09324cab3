"""The documentation is true: it names everything that the language has, and what it shows works."""

import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import archspec
from archspec.language import keys
from archspec.language.data import (
    Augment,
    Data,
    Mix,
    PcaLighting,
    RandAugment,
    RandomErasing,
    RandomResizedCrop,
    Size,
    TrivialAugment,
)
from archspec.language.recipe import Adamw, Bce, Ema, Lamb, Loss, Optimizer, Phase, Sgd, Train
from archspec.language.spec import BlockModel, Distribution, OutputModel, Spec, Stage
from archspec.loading import zoo
from archspec.ops import OPS
from archspec.ops.reference import operations_table
from archspec_cli.main import COMMANDS
from runs import CPU

REPO = Path(__file__).parent.parent
REFERENCE = (REPO / "docs" / "language.md").read_text(encoding="utf-8")
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md")), REPO / "CONTRIBUTING.md", REPO / "CHANGELOG.md"]


MODELS = [Spec, Stage, BlockModel, OutputModel, Train, Data, Augment, Phase, Optimizer, Sgd, Adamw, Lamb, Loss, Bce, Ema, Mix,
          Size, PcaLighting, RandAugment, RandomErasing, RandomResizedCrop, TrivialAugment]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_reference_names_every_key(model):
    keys = {field.alias or name for name, field in model.model_fields.items()}
    missing = {key for key in keys if not re.search(rf"`[^`]*\b{key}\b[^`]*`", REFERENCE)}
    assert not missing


def test_the_table_of_operations_is_that_of_their_classes(request):
    page = REPO / "docs" / "language.md"
    mark = "<!-- made of the classes in archspec/ops: pytest tests/test_docs.py --update-golden -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(mark)
    table, _, after = rest.partition("\n\n")
    if request.config.getoption("--update-golden"):
        page.write_text(f"{before}{mark}{operations_table(OPS)}\n\n{after}", encoding="utf-8")
    else:
        assert table == operations_table(OPS), "see --update-golden"


KEYS = """# Keys of a spec

Every key with the values it takes, its default and what it says, in the words of `archspec explain KEY` and of editors. A key
below a list or below names of one's own is written without them: `stages.repeat`, `blocks.body`. What steps, stages and blocks
mean is in [the language reference](language.md).

<!-- made of the models in archspec/language: pytest tests/test_docs.py --update-golden -->
{table}
"""


def test_the_table_of_keys_is_that_of_the_models(request):
    page, wanted = REPO / "docs" / "keys.md", KEYS.format(table=keys.keys_table(Spec))
    if request.config.getoption("--update-golden"):
        page.write_text(wanted, encoding="utf-8")
    else:
        assert page.read_text(encoding="utf-8") == wanted, "see --update-golden"


def test_reference_names_every_block_shortcut_recipe_and_initialization():
    names = [p.stem for p in (REPO / "archspec" / "blocks").rglob("*.yaml")] + [
        *zoo.recipes(),
    ]
    for name in [*names, *Distribution.model_fields, "none"]:
        assert f"`{name}`" in REFERENCE or f"`{{{name}:" in REFERENCE, name


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_net_that_the_readme_shows_is_that_of_the_zoo(spec):
    shown, zoos = (
        archspec.load(spec(blocks(REPO / "README.md", "yaml")[0].partition("\n")[2])),
        archspec.load("resnet50"),
    )
    assert shown.fingerprint == zoos.fingerprint
    assert shown.recipe == zoos.recipe


def test_the_first_net_of_the_reference_is_as_deep_as_its_name_says(spec):
    text = blocks(REPO / "docs" / "language.md", "yaml")[0].partition("\n")[2]
    for n in (3, 5):
        net = archspec.load(spec(text), set={"n": n})
        assert net.name == f"my-net-{net.cost.depth}"


def test_the_source_that_the_readme_shows_is_what_is_emitted():
    emitted = (REPO / "tests" / "golden" / "resnet50" / "model.py").read_text(encoding="utf-8")
    (shown,) = blocks(REPO / "README.md", "py")
    for part in shown.split("    ...\n"):
        assert part in emitted


def test_python_in_the_documentation_runs(capsys):
    for path in PAGES:
        for text in blocks(path, "python") if path.name != "weights.md" else ():
            exec(compile(text, str(path), "exec"), {})
    assert capsys.readouterr().out


def test_weights_can_be_taken_to_flax_as_it_is_told(cli, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("orbax.checkpoint")
    from archspec_flax import names

    state = archspec.build(archspec.load("digits_resnet:resnet8"), "torch").state_dict()
    torch.save(state, tmp_path / "resnet8.pt")
    page = REPO / "docs" / "weights.md"
    for arguments in commands(page):
        if not {"SRC", "--data", "old.pt"} & {*arguments}:  # the old names of VGG-19 have a test of their own
            assert cli(*arguments).exit_code == 0, arguments
    monkeypatch.chdir("small")
    monkeypatch.syspath_prepend(tmp_path / "small")
    text = blocks(page, "python")[-1]
    space: dict[str, object] = {}
    exec(compile(text, str(page), "exec"), space)
    sys.modules.pop("model")
    for name, tensor in names.state_dict(space["model"]).items():
        assert (tensor == state[name].numpy()).all(), name


def commands(path):
    for line in path.read_text(encoding="utf-8").replace("\\\n", "").splitlines():
        if re.match(r" {4}archspec ", line):
            yield shlex.split(line.strip(), comments=True)[1:]


def without_data(arguments):
    """A command without the images, which are not here."""
    return [word for before, word in pairwise(["", *arguments]) if "--data" not in (before, word)]


def test_tutorial_can_be_followed(cli, tmp_path):
    """Every command in order; training runs are cut short, those on real images are dry."""
    for text in blocks(REPO / "docs" / "tutorial.md", "yaml"):
        (tmp_path / re.match(r"# ([\w.]+)", text)[1]).write_text(text)
    for arguments in commands(REPO / "docs" / "tutorial.md"):
        if arguments[0] in ("train", "sweep"):
            arguments = [
                *without_data(arguments),
                *(["--dry-run"] if "--data" in arguments else ["--steps", "3", "--device", "cpu"]),
            ]
        result = cli(*arguments)
        assert result.exit_code == (1 if arguments[0] == "diff" else 0), (arguments, result.output)
    assert (tmp_path / "curves.png").is_file()
    assert (tmp_path / "small" / "train.py").is_file()


def test_experiments_can_be_followed(cli, tmp_path):
    """Every command in order, on a few steps of shallow nets."""
    for arguments in commands(REPO / "docs" / "experiments.md"):
        words = [word.replace("n=1,9", "n=1").replace("n=9", "n=1") for word in arguments]
        if "runs/shortcuts" in words or "runs/orders" in words:  # 28 runs, and the page of them
            words = [*words, "--dry-run"] if arguments[0] == "sweep" else ["report", "runs/digits"]
        elif arguments[0] == "sweep":
            words += ["--steps", "3", "--seeds", "1", "--device", "cpu"]
        result = cli(*words)
        assert result.exit_code == 0, (words, result.output)
    assert (tmp_path / "figure7.png").is_file()
    assert (tmp_path / "runs" / "digits" / "report.html").is_file()


def test_readme_can_be_followed(cli):
    seen = set()
    for arguments in commands(REPO / "README.md"):
        seen.add(arguments[0])
        if arguments[0] == "train":
            arguments = [*arguments, "--steps", "3", *CPU]
        result = cli(*arguments)
        assert result.exit_code == 0, (arguments, result.output)
    assert {"check", "build", "train"} <= seen


def test_every_command_in_its_everyday_form_runs(cli, tmp_path, finished, small_weights):
    """Long runs are of three steps, on digits; weights are those of a small net, and what needs the network is left out."""
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("PIL.Image")
    small = "digits_resnet:resnet8"
    (tmp_path / "specs").symlink_to(zoo.folder())
    for run in ("cifar-plain-56", "cifar-resnet-56", "sweep/one", "sweep/two"):
        shutil.copytree(finished[0], tmp_path / "runs" / run)
    for name in (
        "photo.jpg",
        "images/train/a/1.png",
        "images/train/b/2.png",
        "images/test/a/3.png",
        "images/test/b/4.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.new("L", (8, 8), len(name)).save(tmp_path / name)
    torch.save(small_weights, tmp_path / "resnet50.pth")
    seen = set()
    for arguments in commands(REPO / "docs" / "commands.md"):
        seen.add(arguments[0])
        if arguments[:2] == ["data", "fetch"]:
            continue
        if arguments[0] in ("build", "convert"):
            arguments = [small if word == "resnet50" else word for word in arguments]
        if arguments == ["build", small]:
            arguments = ["build", small, "--out", "resnet50"]
        elif arguments[:2] == ["data", "verify"]:
            arguments = ["data", "verify", "images"]
        elif arguments[0] in ("train", "sweep") and "--resume" not in arguments:
            arguments = arguments[: arguments.index("--weights")] if "--weights" in arguments else arguments
            arguments = [*without_data(arguments), "--dry-run", "--out", "elsewhere"]
        result = cli(*arguments)
        assert result.exit_code == (1 if arguments[0] == "diff" else 0), (arguments, result.output)
    assert seen >= {*COMMANDS} - {"import", "lsp", "play", "port"}  # these have pages and tests of their own


def test_a_run_predicts_and_keeps_its_identity_as_the_pages_tell(cli, tmp_path, finished):
    image = pytest.importorskip("PIL.Image")
    shutil.copytree(finished[0], tmp_path / "runs" / "flowers")
    for name in ("photo.jpg", "photos/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image.new("L", (8, 8), 90).save(tmp_path / name)
    shown = re.findall(
        r"^archspec (predict .*)", (REPO / "docs" / "runs.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(shown) == 2
    for words in map(shlex.split, shown):
        done = cli(*words)
        assert done.exit_code == 0, (words, done.output)
    (text,) = blocks(REPO / "docs" / "runs.md", "py")
    exec(compile(text, "runs.md", "exec"), {"archspec": archspec})
    assert cli("convert", "runs/flowers", "w.safetensors").exit_code == 0
    space: dict[str, object] = {}
    exec(compile(blocks(REPO / "docs" / "weights.md", "python")[0], "weights.md", "exec"), space)
    assert len(space["identity"]["classes"]) == 10
    assert space["identity"]["normalization"]


def test_changelog_has_this_version():
    assert f"## {archspec.__version__}" in (REPO / "CHANGELOG.md").read_text()


def test_the_training_step_in_the_documentation_is_the_emitted_one():
    of = (("cifar_resnet:resnet20", "torch"), ("cifar_resnet:resnet20", "torch"), ("cifar_speedrun", "torch"),
          ("cifar_resnet:resnet20", "flax"))  # fmt: skip
    for (name, backend), excerpt in zip(of, blocks(REPO / "docs/trainers.md", "py"), strict=False):
        assert excerpt in archspec.emit(archspec.load(name), backend)["train.py"]

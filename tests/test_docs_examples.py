"""What pages show is tried: YAML is checked, commands are those that the command line takes, and they and Python run."""

import ast
import re
import shlex
import shutil
import tomllib

import pytest
import typer
import yaml

import archspec
from archspec.emission.lint import check_files
from archspec.language.recipe import Train
from archspec.language.spec import Spec
from archspec.loading import zoo
from archspec_cli.main import app
from conftest import REPO
from website import gather
from website.markdown import CODE

PAGES = [*gather.sources(), gather.OVERVIEW, "editors/vscode/README.md"]


def read(page):
    return (REPO / page).read_text(encoding="utf-8")


def blocks(page, *languages):
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)


# YAML

IMAGES = {"archspec": 1, "input": {"size": 32}, "classes": 10}
HEAD = ["global_avg_pool", {"fc": {"linear": {"out": "classes"}}}]
BLOCKS = {  # the steps that use the blocks that a page declares
    "squeeze_bottleneck": [{"squeeze_bottleneck": {"width": 16}}],
    "pyramid": [
        {"c2": {"conv": {"out": 8, "kernel": 3}}},
        {"c3": {"conv": {"out": 8, "kernel": 3, "stride": 2}}},
        {"levels": {"pyramid": {"width": 4}}, "from": ["c2", "c3"]},
    ],
    "separable": [{"separable": {"width": 8}}],
}
BEFORE = [  # the steps that a page's steps name
    {"p4": {"conv": {"out": 64, "kernel": 1}}},
    {"vector": "global_avg_pool", "from": "input"},
    *({name: {"conv": {"out": 64, "kernel": 1}}, "from": "p4"} for name in ("squeezed", "left", "right", "head3")),
]
OUTPUTS = [
    {"aux_pool": "global_avg_pool", "from": "input"},
    {"aux_classifier": {"linear": {"out": "classes"}}, "from": "aux_pool"},
    {"pool": "global_avg_pool", "from": "input"},
    {"fc": {"linear": {"out": "classes"}}, "from": "pool"},
]


def whole(text):
    """A spec that a page shows, or the spec around what it shows of one; None for the YAML of another system."""
    if re.search(r"^archspec: 1$", text, re.MULTILINE):
        return text
    part = yaml.safe_load(text)
    if isinstance(part, list):
        linear = [{"from": "vector", **step} for step in part if "linear" in str(step)]
        steps = [step for step in part if "linear" not in str(step)] + linear
        body = [*BEFORE, *steps, {"end": {"identity": {}}, "from": "p4"}]
        block = {"args": {"width": 16, "blocks": 3, "rate": 0.1}, "body": body}
        return {**IMAGES, "stem": [{"shown": {}}], "head": HEAD, "blocks": {"shown": block}}
    if {*part} <= {*Train.model_fields}:
        return {
            **IMAGES,
            "stem": [{"conv": {"out": 8, "kernel": 3}}],
            "head": HEAD,
            "train": {"recipe": "cifar_resnet", **part},
        }
    if {*part} == {"outputs"}:
        return {**IMAGES, "head": OUTPUTS, **part}
    if {*part} <= {*Spec.model_fields}:
        stem = [step for name in part.get("blocks", {}) for step in BLOCKS[name]]
        return {**IMAGES, "stem": stem, "head": HEAD, **part}
    assert "apiVersion" in part, "neither a part of a spec nor what Kubernetes takes"
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if "/AS" not in page and blocks(page, "yaml")])
def test_yaml_of_a_page_is_a_spec_or_a_part_of_one_without_mistakes(page, monkeypatch):
    """Those of diagnostics are in their own tests."""
    monkeypatch.chdir(REPO / "specs")
    for text in blocks(page, "yaml"):
        spec = whole(text)
        found = archspec.check(spec) if spec is not None else ()
        assert not [one for one in found if one.is_error or "archspec: 1" in text], text


def test_other_files_that_pages_show_are_read_by_their_formats():
    for page in PAGES:
        for text in blocks(page, "toml"):
            assert tomllib.loads(text)
    for text in re.findall(r"(?<=:\n\n)(?: {4}.*\n|\n(?= {4}))+", read("docs/ci.md")):
        if not text.strip().startswith(("archspec", "git")):
            assert isinstance(yaml.safe_load(text), dict), text


# Commands


def commands(text):
    """The words of each `archspec` in code, as a shell would give them; what follows a pipe or a redirection is of others."""
    for code in CODE.finditer(text):
        for line in () if code[0].startswith("```py") else code[0].strip("`").replace("\\\n", " ").splitlines():
            for found in re.finditer(r"(?:^|[\s|;&(]|-m )archspec(?:_cli)? (?=[a-z])(?!has no )(.*)", line):
                try:
                    lexer = shlex.shlex(found[1], posix=True, punctuation_chars=True)
                    lexer.whitespace_split, lexer.commenters = True, "#"
                    words = [*lexer]
                except ValueError:  # a quotation mark around all of it ends within
                    words = found[1].rstrip("'\"").split()
                end = next(
                    (i for i, word in enumerate(words) if re.fullmatch(r"[();<>|&]+|\$|·", word)), len(words)
                )
                yield words[:end]


def taken(words):
    """Parse the words of a command as the command line does; raises where it would refuse them."""
    command = typer.main.get_command(app)
    context = command.context_class(command, info_name="archspec")
    while hasattr(command, "get_command"):
        name, words = words[0], words[1:]
        command = command.get_command(context, name)
        assert command is not None, f"there is no command {name}"
        context = command.context_class(command, info_name=name, parent=context)
        if not words:
            return
    if "--help" in words:
        return
    try:
        command.make_parser(context).parse_args(args=[*words])
    except typer.TyperException as refused:
        if refused.message != f"Option '{words[-1]}' requires an argument.":  # in a sentence it may stand without
            raise


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(read(page)))])
def test_commands_of_a_page_are_those_that_there_are(page):
    for words in commands(read(page)):
        taken(words)


def test_commands_that_helps_and_docstrings_show_are_those_that_there_are(cli):
    from website import options

    _, page = next(iter(options.pages()))
    shown = [*commands(page)]
    assert len(shown) > 40
    for words in shown:
        if "[OPTIONS]" not in words:
            taken(words)


def test_targets_of_make_that_pages_name_are_in_the_makefile():
    targets = re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)
    for page in PAGES:
        for code in CODE.finditer(read(page)):
            for line in re.findall(r"^[` ]*make ((?:[a-z-]+ ?)+)", code[0], re.MULTILINE):
                assert {*line.split("#")[0].split()} <= {*targets}, (page, line)


def lines(page):
    """The commands that a page shows as a block, with their words as a shell would give them."""
    text = "\n\n" + "\n\n".join(code[0] for code in CODE.finditer(read(page)) if "\n" in code[0])
    return [*commands(text)]


@pytest.mark.parametrize("page", ["docs/pictures.md", "docs/ci.md"])
def test_commands_that_look_at_specs_run_in_order(page, cli, tmp_path):
    for folder in (tmp_path / "specs", tmp_path.parent / "main" / "specs"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("resnet34", "plain34"):
            shutil.copy(zoo.folder() / f"{name}.yaml", folder)
    ran = 0
    for words in lines(page):
        done = cli(*words)
        assert done.exit_code == 0, (words, done.output)
        ran += 1
    assert ran >= 3


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

factory = Net
"""


def test_models_are_imported_as_the_page_tells(cli, tmp_path, monkeypatch, capsys):
    """Models of others, files of models, and plain twins, which this small net has not, have tests of their own."""
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    for name in ("net.py", "package/models.py"):
        (tmp_path / name).write_text(NET)
    for words in lines("docs/importing.md"):
        if words[1] == "torchvision:resnet18":
            shutil.copy("net.yaml", "my18.yaml")
        elsewhere = ("torchvision:", "timm:", "net.onnx", "net.pt2", "linen.", "ResNet-50-deploy", "resnet50:paper")
        if words[1].startswith(elsewhere) or "shortcut=none" in words:
            continue
        if words[1] == "package.models:factory" or "--partial" in words:
            (tmp_path / "net.yaml").unlink()
            words = [*words, "--input", "1,16,16"]
        done = cli(*words)
        assert done.exit_code == 0, (words, done.output)
    assert (tmp_path / "residual" / "model.py").is_file()
    (text,) = blocks("docs/importing.md", "py")
    space = {"archspec": archspec, "torch": torch}
    exec(NET, space)
    space["module"] = space["Net"](channels=3)
    ours, theirs = ([line for line in text.splitlines() if ('"' in line) == named] for named in (False, True))
    exec(compile("\n".join(ours).replace("224, 224", "16, 16"), "importing.md", "exec"), space)
    assert {ast.parse(line).body[0].value.func.attr for line in theirs} == {"import_model"}
    assert space["found"].network.cost.params == sum(p.numel() for p in space["module"].parameters())


NOT_HERE = {"--data", "--nproc", "--shard", "--devices", "--weights", "--fresh", "--out"}
"""Options that a dry run on this machine goes without: images, weights and devices."""


@pytest.mark.parametrize("page", ["docs/accelerators.md", "docs/data.md", "docs/scaling.md", "docs/weights.md"])
def test_long_runs_begin_as_the_page_tells(page, cli, tmp_path):
    """On images that are not here, on devices that are not here: the recipe and the schedule are printed."""
    for name in ("my.yaml", "flowers.yaml"):
        (tmp_path / name).write_text("archspec: 1\nextends: resnet18\nclasses: 5\ntrain: {recipe: finetune}\n")
    training = {tuple(words) for words in lines(page) if words[0] == "train" and "$out" not in words}
    if any("FOLDER" in words for words in training):
        assert cli("build", "digits_resnet:resnet8", "--out", "FOLDER").exit_code == 0
    for words in training:
        kept = [word for before, word in zip(("", *words), words, strict=False) if not {before, word} & NOT_HERE]
        done = cli(*kept, *(["--dry-run"] if "--dry-run" not in kept else []), "--out", "elsewhere")
        assert done.exit_code == 0, (kept, done.output)
    assert training


def test_edits_of_train_py_that_the_page_shows_are_of_names_that_it_has():
    net = archspec.load("cifar_resnet:resnet20")
    files = archspec.emit(net, "torch")
    *_, loss, optimizer = blocks("docs/trainers.md", "py")
    train = str(files["train.py"])
    before = "loss = F.cross_entropy(logits, labels)\n    loss.backward()"
    returned = next(line for line in train.splitlines() if line.startswith("    return optim.SGD("))
    assert before in train
    edited = train.replace(before, f"{loss.strip()}\n    loss.backward()")
    edited = edited.replace(returned, "\n".join(f"    {line}" for line in optimizer.strip().splitlines()))
    assert edited.count("RMSprop") == 1
    check_files(net.name, "torch", {**files, "train.py": edited})


FOLLOWED = {
    "README.md",
    "docs/commands.md",
    "docs/experiments.md",
    "docs/runs.md",
    "docs/tutorial.md",
    "docs/weights.md",
}
"""Pages whose commands and Python other tests run: `tests/test_docs.py`."""
HERE = {
    "docs/accelerators.md",
    "docs/ci.md",
    "docs/data.md",
    "docs/importing.md",
    "docs/pictures.md",
    "docs/scaling.md",
    "docs/trainers.md",
}
ELSEWHERE = {
    "docs/play.md": "a server has tests of its own",
    "bench/results/README.md": "what was measured takes hours",
}


def test_no_page_shows_what_no_test_runs():
    """Python as `python` runs on every page; what is an excerpt, as `py`, and commands run where a test says how."""
    shown = {page for page in PAGES if "/AS" not in page and (lines(page) or blocks(page, "py"))}
    assert not shown - FOLLOWED - HERE - {*ELSEWHERE}
    assert all(
        page == "README.md" or re.fullmatch(r"docs/[\w-]+\.md", page) for page in PAGES if blocks(page, "python")
    )

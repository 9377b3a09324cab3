"""Which part may import which, and how light the core and `archspec check` stay."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent
FRAMEWORKS = {"torch", "jax", "flax", "tensorflow"}
LAYERS = {
    "archspec": (
        REPO / "archspec",
        {"archspec_torch", "archspec_flax", "archspec_onnx", "archspec_cli", "onnx"},
    ),
    "runtime": (
        REPO / "backends/archspec_runtime",
        {"archspec", "archspec_torch", "archspec_flax", "archspec_onnx", "archspec_cli"},
    ),
    "cli": (REPO / "cli/archspec_cli", {"archspec_torch", "archspec_flax", "archspec_onnx"}),
    "experiments": (
        REPO / "cli/archspec_experiments",
        {"archspec_torch", "archspec_flax", "archspec_onnx", "archspec_cli"},
    ),
    "lsp": (
        REPO / "cli/archspec_lsp",
        {"archspec_torch", "archspec_flax", "archspec_onnx", "archspec_cli", "archspec_runtime"},
    ),
    "play": (
        REPO / "cli/archspec_play",
        {"archspec_torch", "archspec_flax", "archspec_onnx", "archspec_cli", "archspec_lsp"},
    ),
    "torch": (REPO / "backends/archspec_torch", {"archspec_flax", "archspec_cli", "jax", "flax"}),
    "onnx": (
        REPO / "backends/archspec_onnx",
        {"archspec_torch", "archspec_flax", "archspec_runtime", "archspec_cli"},
    ),
    "torch trainer": (REPO / "backends/archspec_torch/trainer", {"archspec", "archspec_cli"}),
}


ROOMS = (  # of the core, from the ground up: each imports from those before it, and from itself
    "version",
    "blocks",
    "diagnostics",
    "errors",
    "files",
    "syntax",
    "ops",
    "language",
    "ir",
    "loading",
    "expansion",
    "analysis",
    "drawing",
    "compile",
    "service",
    "importing",
    "backends",
    "weights",
    "emission",
    "porting",
    "api",
    "network",
)
RUNTIME_ROOMS = (  # the same of the runtime
    "console",
    "errors",
    "parts",
    "draws",
    "recipe",
    "schedule",
    "processes",
    "files",
    "images",
    "data",
    "augment",
    "job",
    "batches",
    "record",
    "loggers",
    "frameworks",
    "checkpoints",
    "measure",
    "run",
)
HOUSES = {
    "archspec": (REPO / "archspec", ROOMS),
    "archspec_runtime": (REPO / "backends/archspec_runtime", RUNTIME_ROOMS),
}


def modules_of(house):
    """The modules of a house; its `__main__` is the command line's door, and no room."""
    root = HOUSES[house][0]
    return {
        ".".join(p.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__"): p
        for p in root.rglob("*.py")
        if p != root / "__main__.py"
    }


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def import_nodes(path):
    """The imports of a file, at its top or inside of functions."""
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Import | ast.ImportFrom)]


def typed_alone(path):
    """The imports of a file that type checkers alone follow."""
    blocks = (s for s in tree_of(path).body if isinstance(s, ast.If) and ast.unparse(s.test) == "TYPE_CHECKING")
    return {node for block in blocks for node in ast.walk(block)}


def own_imports(path, modules, *, typed=True):
    """The modules of its house that a module imports; `typed`, for type checkers too."""
    passed_over = set() if typed else typed_alone(path)
    for node in import_nodes(path):
        if node in passed_over:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module in modules:
                inner = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from {name if name in modules else node.module for name in inner}


def room(module):
    return module.split(".")[1]


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_is_rooms_with_few_modules_beside_them(house):
    root, rooms = HOUSES[house]
    assert {room(name) for name in modules_of(house) if name != house} == set(rooms)
    assert len([path for path in root.glob("*.py") if path.name != "__main__.py"]) <= 6


@pytest.mark.parametrize("house", HOUSES)
def test_no_room_imports_from_a_higher_one(house):
    modules, rooms = modules_of(house), HOUSES[house][1]
    found = {
        f"{name} imports {other}"
        for name, path in modules.items()
        if name != house
        for other in own_imports(path, modules)
        if other == house or rooms.index(room(other)) > rooms.index(room(name))
    }
    assert not found


@pytest.mark.parametrize("house", HOUSES)
def test_no_modules_of_a_house_import_each_other_in_a_circle(house):
    modules = modules_of(house)
    waiting = {name: set(own_imports(path, modules, typed=False)) - {name} for name, path in modules.items()}
    while free := {name for name, others in waiting.items() if not others & waiting.keys()}:
        waiting = {name: others for name, others in waiting.items() if name not in free}
    assert not waiting


def imports(path):
    for node in import_nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def test_the_core_takes_the_vocabulary_of_recipes_from_the_runtime_and_nothing_else():
    found = {
        (path.relative_to(REPO / "archspec").parts[0], node.module)
        for path in (REPO / "archspec").rglob("*.py")
        for node in import_nodes(path)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("archspec_runtime")
    }
    rooms = {(where, ".".join(str(module).split(".")[:2])) for where, module in found}
    assert rooms == {("language", "archspec_runtime.recipe")}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_look_downward_only(layer):
    folder, forbidden = LAYERS[layer]
    if not layer.startswith("torch"):
        forbidden = forbidden | FRAMEWORKS
    found = {
        f"{path.relative_to(REPO)}: {name}"
        for path in folder.rglob("*.py")
        for name in imports(path)
        if name in forbidden
    }
    assert not found


def test_the_core_computes_with_numpy_on_weights_and_ports_alone():
    found = {
        path.relative_to(REPO / "archspec").parts[0]
        for path in (REPO / "archspec").rglob("*.py")
        if {"numpy", "ml_dtypes", "safetensors"} & set(imports(path))
    }
    assert found <= {"weights", "backends", "porting"}, "the protocol of backends has arrays in its types"


LIGHT = """
import sys
from archspec_cli.main import app
heavy = {"torch", "jax", "numpy", "matplotlib", "PIL", "sklearn", "rich.console", "jinja2"}
for args in (["check", "resnet50"], ["--version"], ["schema"], ["diff", "resnet18", "plain18"], ["explain", "AS405"],
             ["draw", "resnet18"]):
    try:
        app(args)
    except SystemExit:
        pass
    assert not heavy & set(sys.modules), (args, heavy & set(sys.modules))
"""


def test_commands_that_only_read_load_no_framework_and_no_numpy():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_archspec_loads_no_framework_and_no_command_line():
    heavy = "{'torch', 'jax', 'numpy', 'typer', 'rich', 'jinja2'}"
    code = f"import sys, archspec; heavy = {heavy} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_core_and_command_line_do_not_name_blocks_or_frameworks():
    """Blocks are data: a new one needs no Python. (Documentation may name them.)"""
    words = {"bottleneck", "squeeze_excite", "highway", "zero_pad"}
    for folder in ("archspec", "backends/archspec_torch/emit"):
        for path in (REPO / folder).rglob("*.py"):
            compared = {
                constant.value
                for node in ast.walk(tree_of(path))
                if isinstance(node, ast.Compare)
                for constant in ast.walk(node)
                if isinstance(constant, ast.Constant)
            }
            assert not compared & words, path


def test_typing_marker_travels_with_each_package():
    for package in (
        "archspec",
        "backends/archspec_runtime",
        "backends/archspec_torch",
        "backends/archspec_onnx",
        "cli/archspec_cli",
    ):
        assert (REPO / package / "py.typed").is_file(), package


BARE = """
import sys
for extra in ("numpy", "torch", "jax", "flax", "onnx", "ml_dtypes", "safetensors", "PIL", "sklearn", "matplotlib"):
    sys.modules[extra] = None  # importing it raises ImportError, as where no extra is installed
from archspec_cli.main import app
for args in (["build", "resnet50", "--out", "torch"], ["build", "cifar_resnet", "--backend", "flax", "--out", "flax"]):
    try:
        app(args)
    except SystemExit as end:
        assert not end.code, args
"""


def test_build_needs_no_extra(tmp_path):
    done = subprocess.run([sys.executable, "-c", BARE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*/model.py")} == {"model.py"}


LACKING = """
import importlib.metadata, sys
WITHOUT = {"numpy", "torch", "jax", "flax", "onnx", "safetensors", "pillow", "scikit-learn", "matplotlib"}
version = importlib.metadata.version
def without(name):
    if name.lower() in WITHOUT:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = without
for name in WITHOUT:
    sys.modules[name] = None
from archspec_cli.main import main
for words in (["train", "digits_resnet"], ["train", "digits_resnet", "--dry-run", "--backend", "flax"], ["eval", "run"],
              ["report", "run"], ["responses", "run"], ["data", "verify", "folder"],
              ["sweep", "digits_resnet", "--set", "train.seed=1,2", "--dry-run"]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""


def test_what_needs_an_extra_says_which(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LACKING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["1"] * 7, done.stderr
    said = done.stderr.splitlines()
    assert said[::2] == ["error: this needs numpy, which is not installed"] * 7
    assert all(line.startswith("  help: pip install ") and "[torch]" in line for line in (said[1], *said[5::2]))
    assert "[flax]" in said[3]

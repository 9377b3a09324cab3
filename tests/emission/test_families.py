"""The zoo's families in both frameworks: golden model files, which keep the rules of a linter and a formatter.

Their types are checked with those of the other golden files.
"""

import ast
import subprocess
import sys

import pytest

import archspec
from archspec.loading import zoo
from archspec_flax.emit.helpers import NAMES
from emitting import FAMILIES, GOLDEN, RULES

NETS = {
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_large": "mobilenet_v3_large",
    "densenet121": "densenet:densenet121",
    "convnext_tiny": "convnext:convnext_tiny",
    "efficientnet_b0": "efficientnet:efficientnet_b0",
    "vit_b_16": "vit:vit_b_16",
    "swin_t": "swin:swin_t",
    "regnet_y_400mf": "regnet:regnet_y_400mf",
    "googlenet": "googlenet",
    "fcn_resnet50": "fcn_resnet50",
    "deeplabv3_resnet50": "deeplabv3_resnet50",
    "resnet50_fpn": "resnet50_fpn",
    "maxvit_t": "maxvit_t",
}


@pytest.fixture(scope="module", params=["torch", "flax"])
def backend(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module")
def emitted(backend):
    return {key: archspec.emit(archspec.load(spec), backend)["model.py"] for key, spec in NETS.items()}


@pytest.mark.parametrize("key", NETS)
def test_emitted_models_are_the_golden_ones(key, backend, emitted, request):
    path = FAMILIES / backend / f"{key}.py"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(emitted[key], encoding="utf-8")
    assert emitted[key] == path.read_text(encoding="utf-8"), f"{backend}/{key}; see --update-golden"


def statements(path, helpers=()):
    """How many statements the classes of a net are, without helpers, which its framework lacks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = [n for n in tree.body if getattr(n, "name", None) not in helpers]
    return sum(isinstance(node, ast.stmt) for one in own for node in ast.walk(one))


def test_a_net_in_flax_is_no_longer_than_in_pytorch():
    """At most 1.2 times its statements; helpers that each file has by itself (BatchNorm, Sequential, ...) are short."""
    pairs = {path.name: (path, FAMILIES / "flax" / path.name) for path in sorted((FAMILIES / "torch").glob("*.py"))}
    for folder in sorted(GOLDEN.glob("flax/*/model.py")):
        if (path := GOLDEN / folder.parent.name / "model.py").exists():
            pairs[folder.parent.name] = (path, folder)
    assert len(pairs) > 18
    for name, (torch, flax) in pairs.items():
        assert statements(flax, NAMES) <= 1.2 * statements(torch), name
        assert statements(flax) - statements(flax, NAMES) <= 90, name


def assert_passes_ruff(folder):
    for path in folder.iterdir():
        assert max(map(len, path.read_text().splitlines())) <= 100, path.name
    ruff = [sys.executable, "-m", "ruff"]
    # as in test_emission
    check = ["check", f"--select={RULES}", "--ignore=PLR2004,PLR0913,PLR0917,D107,N812"]
    for command in (check, ["format", "--check"]):
        options = ["--isolated", "--no-cache", "--line-length=100", "."]
        done = subprocess.run([*ruff, *command, *options], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_golden_code_passes_ruff(backend):
    assert_passes_ruff(FAMILIES / backend)


@pytest.mark.parametrize("key", ["convnext_tiny", "efficientnet_b0", "swin_t"])
def test_rates_that_grow_are_exactly_those_of_the_network(key):
    torch = pytest.importorskip("torch")
    net = archspec.load(NETS[key])
    space: dict[str, object] = {}
    exec(compile((FAMILIES / "torch" / f"{key}.py").read_text(), key, "exec", dont_inherit=True), space)
    with torch.device("meta"):
        model = space[net.class_name]()
    built = {name: module.p for name, module in model.named_modules() if type(module) is space["DropPath"]}
    assert built == {row.name: row.attributes["rate"] for row in net.modules() if row.op == "drop_path"}
    assert len(set(built.values())) > 8


TWICE = {"maxvit_t": ["MaxViTBlock2"]}
"""Classes that differ from another in how many layers they repeat, where one repeats a single layer and has no loop."""


@pytest.mark.release
def test_every_net_of_the_zoo_passes_ruff_and_has_no_numbered_class(backend, tmp_path):
    for name in zoo.names():
        net = archspec.load(name)
        source = archspec.emit(net, backend)["model.py"]
        classes = [
            c.name for c in ast.parse(source).body if isinstance(c, ast.ClassDef) and c.name != net.class_name
        ]
        assert [c for c in classes if c[-1].isdigit()] == TWICE.get(name, []), name
        (tmp_path / f"{name}.py").write_text(source)
    assert_passes_ruff(tmp_path)

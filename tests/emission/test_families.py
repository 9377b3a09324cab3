"""The zoo's families in both frameworks: golden model files, which keep the rules of a linter and a formatter.

Their types are checked with those of the other golden files.
"""

import ast
import subprocess
import sys

import pytest

import archspec
from archspec.loading import zoo
from emitting import FAMILIES, GOLDEN, RULES, SOURCE, source_in, update

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
    return {key: source_of(archspec.load(spec), backend) for key, spec in NETS.items()}


def source_of(net, backend):
    files = archspec.emit(net, backend)
    return {name: files[name] for name in SOURCE if name in files}


@pytest.mark.parametrize("key", NETS)
def test_emitted_models_are_the_golden_ones(key, backend, emitted, request):
    folder = FAMILIES / backend / key
    if request.config.getoption("--update-golden"):
        update(folder, emitted[key])
    assert emitted[key] == source_in(folder), f"{backend}/{key}; see --update-golden"


def statements(text):
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text)))


def test_a_net_in_flax_is_no_longer_than_in_pytorch():
    """At most 1.2 times the statements, in whole files; the `layers.py` beside it is short."""
    pairs = {key: (FAMILIES / "torch" / key, FAMILIES / "flax" / key) for key in NETS}
    for folder in sorted(GOLDEN.glob("flax/*/")):
        if (GOLDEN / folder.name / "model.py").exists():
            pairs[folder.name] = (GOLDEN / folder.name, folder)
    assert len(pairs) > 18
    for name, folders in pairs.items():
        torch, flax = map(source_in, folders)
        assert torch.keys() == {"model.py"}
        assert statements(flax["model.py"]) <= 1.2 * statements(torch["model.py"]), name
        assert statements(flax.get("layers.py", "")) <= 100, name


def assert_passes_ruff(folder):
    for path in folder.glob("*/*.py"):
        assert max(map(len, path.read_text().splitlines())) <= 100, path
    ruff = [sys.executable, "-m", "ruff"]
    # as in test_emission
    own = "lint.isort.known-first-party = ['layers']"
    check = ["check", "--config", own, f"--select={RULES}", "--ignore=PLR2004,PLR0913,PLR0917,D107,N812"]
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
    exec(compile((FAMILIES / "torch" / key / "model.py").read_text(), key, "exec", dont_inherit=True), space)
    with torch.device("meta"):
        model = space[net.class_name]()
    built = {name: module.p for name, module in model.named_modules() if type(module) is space["DropPath"]}
    assert built == {row.name: row.attributes["rate"] for row in net.modules() if row.op == "drop_path"}
    assert len(set(built.values())) > 8


@pytest.mark.release
def test_every_net_of_the_zoo_passes_ruff_and_has_no_numbered_class(backend, tmp_path):
    for name in zoo.names():
        net = archspec.load(name)
        source = source_of(net, backend)
        classes = [
            c.name
            for c in ast.parse(source["model.py"]).body
            if isinstance(c, ast.ClassDef) and c.name != net.class_name
        ]
        assert not [c for c in classes if c[-1].isdigit()], name
        update(tmp_path / name, source)
    assert_passes_ruff(tmp_path)

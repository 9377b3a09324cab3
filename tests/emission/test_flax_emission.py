"""What the Flax backend writes: golden files, lint, names that clash with nothing."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import archspec
from archspec.emission.import_source import import_files
from archspec.files import write_folder
from archspec.syntax.identifiers import RESERVED
from comparing import check
from conftest import REPO
from emitting import GOLDEN, NASTY, RULES, SOURCE, source_in, update
from flax_nets import HELPERS, NETS, all_shapes, load

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
import jax.numpy as jnp  # noqa: E402

from archspec_flax import names  # noqa: E402

pytestmark = pytest.mark.usefixtures("drawn_quickly")


@pytest.fixture(scope="module")
def emitted():
    return {key: archspec.emit(load(key), "flax") for key in NETS}


@pytest.mark.parametrize("key", NETS)
def test_emitted_models_are_the_golden_ones(key, emitted, request):
    source = {name: emitted[key][name] for name in SOURCE if name in emitted[key]}
    if request.config.getoption("--update-golden"):
        update(GOLDEN / "flax" / key, source)
    assert source == source_in(GOLDEN / "flax" / key), f"{key}; see --update-golden"


@pytest.mark.parametrize("key", NETS)
def test_golden_code_is_imported_and_classifies(key):
    net = load(key)
    made = getattr(import_files(source_in(GOLDEN / "flax" / key), f"golden_{key}"), net.class_name)
    images = jnp.zeros((2, *net.input_shape[1:], net.input_shape[0]))
    model = nnx.eval_shape(lambda: made(num_classes=3, rngs=nnx.Rngs(0)))
    assert nnx.eval_shape(lambda model, x: model(x), model, images).shape == (2, 3)
    assert names.spec_shapes(model).items() >= dict(list(net.parameter_shapes().items())[:-2]).items()


def test_emitted_code_passes_ruff(tmp_path, emitted):
    for key, files in emitted.items():
        source = {name: files[name] for name in SOURCE if name in files}
        write_folder(tmp_path / key, source)
        assert max(len(line) for text in source.values() for line in text.splitlines()) <= 100
    ruff = [sys.executable, "-m", "ruff"]
    own = "lint.isort.known-first-party = ['layers']"  # as in the folder itself, which has it
    for command in (["check", "--isolated", "--config", own, "--line-length=100", f"--select={RULES}"],
                    ["format", "--check", "--isolated", "--line-length=100"]):  # fmt: skip
        # widths are what a model file is made of (PLR2004, PLR0913, PLR0917); constructors are documented by their class (D107)
        ignore = ["--ignore=PLR2004,PLR0913,PLR0917,D107"] if command[0] == "check" else []
        done = subprocess.run([*ruff, *command, *ignore, "."], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_emitted_code_imports_jax_and_flax_alone(emitted):
    for files in emitted.values():
        for beside, name in ((set(), "layers.py"), ({"layers"} & {Path(f).stem for f in files}, "model.py")):
            tree = ast.parse(files.get(name, ""))
            found = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            found |= {str(n.module).split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            assert found - beside <= {"__future__", "collections", "functools", "math", "typing", "jax", "flax"}


def test_deep_nets_are_loops_not_copies(emitted):
    deep = archspec.emit(archspec.load("cifar_resnet:resnet1202"), "flax")["model.py"]
    assert len(deep.splitlines()) <= len(emitted["cifar-resnet-110"]["model.py"].splitlines())
    assert "Repeated(lambda rngs: BasicBlock(64, 64, rngs=rngs), 199, rngs=rngs)" in deep


def test_what_is_built_is_the_emitted_source():
    net = archspec.load("cifar_resnet:resnet20")
    model = archspec.build(net, "flax")
    module = sys.modules[type(model).__module__]
    if "torch" in sys.modules:
        archspec.build(net, "torch")
        assert sys.modules[type(model).__module__] is module, "each backend has a module of its own"
    assert inspect.getsource(module) == archspec.emit(net, "flax")["model.py"]


def test_a_traceback_shows_the_emitted_line():
    import traceback

    model = archspec.build(archspec.load("cifar_resnet:resnet20"), "flax")
    with pytest.raises(ValueError, match="feature dimension") as raised:
        model(jnp.zeros((1, 32, 32, 4)))
    assert "x = self.conv1(x)" in [frame.line for frame in traceback.extract_tb(raised.value.__traceback__)]


@pytest.mark.parametrize("text", NASTY)
def test_descriptions_stay_text(text, spec):
    path = spec("input: {size: 4}\nclasses: 3\nblocks:\n  b: {body: [relu]}\nstages: [{name: s, block: b}]\n"
                "head: [global_avg_pool]\n")  # fmt: skip
    injected = f"before {text} after; import os; os._exit(3)"
    net = archspec.load(path, set={"blocks.b.doc": injected, "doc": injected})
    tree = ast.parse(archspec.emit(net, "flax")["model.py"])
    assert "os" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not any(isinstance(node, ast.Import) and node.names[0].name == "os" for node in ast.walk(tree))
    assert archspec.build(net, "flax")(jnp.ones((1, 4, 4, 3))).shape == (1, 3)


def test_names_of_helpers_and_variables_may_be_those_of_nets_blocks_and_steps(spec):
    net = archspec.load(spec(HELPERS))
    model = archspec.build(net, "flax")
    assert type(model).__name__ == "Linear"
    assert all_shapes(net) == names.spec_shapes(model)
    check(net, backend="flax")


@pytest.mark.parametrize("name", ["array", "callable", "d-type-like"])
def test_a_net_may_have_the_name_of_what_its_source_imports(name, spec):
    text = "input: {channels: 1, size: 4}\nclasses: 2\nhead: [flatten, {linear: {out: 2}}]\n"
    model = archspec.build(archspec.load(spec(f"archspec: 1\nname: {name}\n{text}")), "flax")
    assert model(jnp.zeros((1, 4, 4, 1))).shape == (1, 2)


def test_names_that_modules_of_flax_have_are_reserved():
    own = {name for name in dir(nnx.Module) if not name.startswith("_")}
    assert own <= RESERVED


@pytest.mark.parametrize("path", sorted((REPO / "backends/archspec_flax").rglob("*.py")), ids=lambda p: p.stem)
def test_backends_do_not_know_each_other(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found = {module.split(".")[0] for module in modules}
    assert not found & {"torch", "archspec_torch", "archspec_cli"}
    assert path.name != "names.py" or not found & {"archspec", "archspec_runtime"}, "it travels with built folders"

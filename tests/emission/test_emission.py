"""What `archspec build` writes: exact golden files, lint, and that it runs with no archspec installed."""

import ast
import os
import subprocess
import sys
import textwrap

import pytest

import archspec
from archspec.files import write_folder
from emitting import GOLDEN, NASTY, OVERRIDES, RULES

torch = pytest.importorskip("torch")

NETS = {
    "cifar-resnet-20": "cifar_resnet:resnet20",
    "cifar-plain-20": "cifar_resnet:plain20",
    "cifar-highway-20": "cifar_highway",
    "resnet18-options-c": "resnet18",
    "resnet50": "resnet50",
    "resnet50-paper": "resnet50:paper",
    "vgg19": "vgg19",
    "everything": str(GOLDEN / "everything.yaml"),
    "paths": str(GOLDEN / "paths.yaml"),
}
CARRIED = ("archspec_runtime/", "archspec_torch/")  # tested where they stand


@pytest.fixture(scope="module")
def emitted():
    return {key: archspec.emit(archspec.load(spec, set=OVERRIDES.get(key)), "torch") for key, spec in NETS.items()}


@pytest.mark.parametrize("key", NETS)
def test_emitted_files_are_the_golden_ones(key, emitted, request):
    files = {name: text for name, text in emitted[key].items() if not name.startswith(CARRIED)}
    folder = GOLDEN / key
    if request.config.getoption("--update-golden"):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == sorted(files)
    for name, text in files.items():
        assert text == (folder / name).read_text(encoding="utf-8"), f"{key}/{name}; see --update-golden"


@pytest.mark.parametrize("key", NETS)
def test_golden_code_is_imported_and_classifies(key):
    net = archspec.load(NETS[key], set=OVERRIDES.get(key))
    space: dict[str, object] = {}
    exec(compile((GOLDEN / key / "model.py").read_text(), key, "exec", dont_inherit=True), space)
    with torch.device("meta"):
        model = space[net.class_name]()
        assert model(torch.zeros(2, *net.input_shape)).shape == (2, net.classes)
        assert {n: tuple(p.shape) for n, p in model.named_parameters()} == net.parameter_shapes()
        assert space[net.class_name](num_classes=3)(torch.zeros(2, *net.input_shape)).shape == (2, 3)


def test_emitted_code_passes_ruff(tmp_path, emitted):
    for key, files in emitted.items():
        write_folder(tmp_path / key, files)
        for name in ("model.py", "train.py"):
            if name in files:
                assert max(map(len, files[name].splitlines())) <= 100
    ruff = [sys.executable, "-m", "ruff"]
    targets = [
        f"{key}/{name}" for key, files in emitted.items() for name in ("model.py", "train.py") if name in files
    ]
    # as in the folder itself, which has them
    own = "lint.isort.known-first-party = ['archspec_runtime', 'archspec_torch', 'model']"
    for command in (["check", "--isolated", "--config", own, "--line-length=100", f"--select={RULES}"],
                    ["format", "--check", "--isolated", "--line-length=100"]):  # fmt: skip
        # widths are what a model file is made of (PLR2004, PLR0913, PLR0917); constructors are documented by their class (D107),
        # and `import torch.nn.functional as F` is PyTorch's own custom (N812)
        ignore = ["--ignore=PLR2004,PLR0913,PLR0917,D107,N812"] if command[0] == "check" else []
        done = subprocess.run([*ruff, *command, *ignore, *targets], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


ALONE = """
import sys
for blocked in ("archspec", "archspec_cli"):
    sys.modules[blocked] = None  # importing it raises ImportError, as where it is not installed
sys.path.insert(0, ".")
"""


def test_built_folder_works_without_archspec(tmp_path, emitted):
    folder = tmp_path / "net"
    write_folder(folder, archspec.emit(archspec.load("digits_resnet", set={"n": 1}), "torch"))
    code = ALONE + textwrap.dedent(
        """
        import runpy
        import archspec_runtime, archspec_torch
        from pathlib import Path
        for carried in (archspec_runtime, archspec_torch):
            assert Path(carried.__file__).resolve().is_relative_to(Path.cwd()), carried.__file__
        sys.argv = ["train.py", "--steps", "12", "--out", "run", "--device", "cpu", "--compile", "off"]
        runpy.run_path("train.py", run_name="__main__")
        """
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (folder / "run").iterdir()} >= {"metrics.jsonl", "checkpoints", "code"}


def test_deep_nets_are_loops_not_copies(emitted):
    deep = archspec.emit(archspec.load("cifar_resnet:resnet1202"), "torch")["model.py"]
    assert len(deep.splitlines()) <= len(emitted["cifar-resnet-20"]["model.py"].splitlines())


@pytest.mark.parametrize("text", NASTY)
def test_descriptions_stay_text(text, spec):
    path = spec("input: {size: 4}\nclasses: 3\nblocks:\n  b: {body: [relu]}\nstages: [{name: s, block: b}]\n"
                "head: [global_avg_pool]\n")  # fmt: skip
    injected = f"before {text} after; import os; os._exit(3)"
    net = archspec.load(path, set={"blocks.b.doc": injected, "doc": injected})
    tree = ast.parse(archspec.emit(net, "torch")["model.py"])
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert {getattr(node, "module", None) for node in imports} == {"__future__", "torch"}
    calls = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) if hasattr(node.func, "attr")}
    assert "_exit" not in calls


HASH = """
import archspec, hashlib
print(hashlib.sha256(repr(sorted(archspec.emit(archspec.load("resnet50"), "torch").items())).encode()).hexdigest())
"""


def test_emission_is_the_same_in_every_process():
    def run(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", HASH], capture_output=True, text=True, env=environment).stdout

    assert run("1") == run("2") != ""

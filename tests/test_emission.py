"""What `archspec build` writes: exact golden files, lint, strict types, and that it runs with no archspec installed."""

import ast
import inspect
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archspec
from archspec.files import write_folder
from comparing import check

torch = pytest.importorskip("torch")

GOLDEN = Path(__file__).parent / "golden"
NETS = {
    "cifar-resnet-20": "cifar_resnet:resnet20",
    "cifar-plain-20": "cifar_resnet:plain20",
    "cifar-highway-20": "cifar_highway",
    "resnet18-options-c": "resnet18",
    "resnet50": "resnet50",
    "resnet50-paper": "resnet50:paper",
    "vgg19": "vgg19",
    "everything": str(GOLDEN / "everything.yaml"),
}
OVERRIDES = {"resnet18-options-c": {"shortcut": "projection_all", "init.zero_last_norm": True}}
CARRIED = ("archspec_runtime/", "archspec_torch/")  # tested where they stand
RULES = "E,F,W,I,B,UP,C4,SIM,RUF,PIE,N,D1,ANN,PL,A"


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
    for command in (["check", "--isolated", "--line-length=100", f"--select={RULES}"],
                    ["format", "--check", "--isolated", "--line-length=100"]):  # fmt: skip
        # widths are what a model file is made of (PLR2004, PLR0913); constructors are documented by their class (D107),
        # and `import torch.nn.functional as F` is PyTorch's own custom (N812)
        ignore = ["--ignore=PLR2004,PLR0913,D107,N812"] if command[0] == "check" else []
        done = subprocess.run([*ruff, *command, *ignore, *targets], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_emitted_code_passes_strict_types(tmp_path, emitted):
    for key, files in emitted.items():
        (tmp_path / f"{key.replace('-', '_')}.py").write_text(files["model.py"])
    write_folder(tmp_path / "whole", emitted["cifar-resnet-20"])
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}"]
    models = sorted(p.name for p in tmp_path.glob("*.py"))
    for folder, targets in ((tmp_path, models), (tmp_path / "whole", ["train.py", "model.py"])):
        done = subprocess.run([*mypy, *targets], cwd=folder, capture_output=True, text=True)
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
    assert (folder / "run" / "curves.png").is_file()


def test_deep_nets_are_loops_not_copies(emitted):
    deep = archspec.emit(archspec.load("cifar_resnet:resnet1202"), "torch")["model.py"]
    assert len(deep.splitlines()) <= len(emitted["cifar-resnet-20"]["model.py"].splitlines())


UNNAMED = """
input: {channels: 3, size: 8}
classes: 3
blocks:
  b: {args: {width: int}, body: [{conv: {out: width, kernel: 1}}, {scale: {value: 0.5}}, {global_avg_pool: {keep: true}}]}
  c: {args: {width: int, deep: false}, body: [{conv: {out: width, kernel: 1}}, {relu: {}, when: deep}]}
  d: {args: {width: int}, body: [{subsample: {stride: 2}}, {conv: {out: width, kernel: 1}}, {scale: {value: 0.5}}]}
  e: {args: {width: int}, body: [{conv: {out: width, kernel: 1}}, {scale: {value: 0.5}}]}
  f: {args: {width: int}, body: [{conv: {out: width, kernel: 1}}, flatten]}
stages:
  - {name: two, block: c, width: 4}
  - {name: three, block: c, width: 4, deep: true}
  - {name: four, block: d, width: 4}
  - {name: five, block: e, width: 4}
  - {name: one, block: b, width: 4}
  - {name: six, block: f, width: 4}
head: [{fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_steps_without_names_are_attributes_that_python_has(backend, spec):
    """Only where all steps are layers, and there, are they the numbered layers of a sequence."""
    if backend == "flax":
        pytest.importorskip("flax")
    check(archspec.load(spec(UNNAMED)), tolerance=1e-8, backend=backend)


@pytest.mark.parametrize("name", ["tensor", "nn", "F", "torch", "math"])
def test_a_net_may_have_the_name_of_what_its_source_imports(name, spec):
    text = "input: {size: 4}\nclasses: 2\nhead: [{pad: {avg_pool: {kernel: 2, stride: 2}}}, flatten, {linear: {out: 2}}]\n"
    source = archspec.emit(archspec.load(spec(f"archspec: 1\nname: {name}\n{text}")), "torch")["model.py"]
    bound = [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.ClassDef, ast.alias))]
    assert len(bound) == len(set(bound))


def test_a_step_may_have_the_name_of_a_number_that_is_kept(spec):
    text = (
        "input: {channels: 3, size: 8}\nclasses: 3\nblocks:\n  b:\n    args: {width: int, stride: 1}\n    body:\n"
    )
    text += "      - stride: {conv: {out: width, kernel: 1}}\n      - cut: {subsample: {stride: stride}}\n      - x: tanh\n"
    text += "stages: [{name: s, block: b, repeat: 2, width: 4, stride: 2}]\nhead: [global_avg_pool, {linear: {out: 3}}]\n"
    check(archspec.load(spec(text)), tolerance=1e-8)


IDLE = """
input: {channels: 3, size: 8}
classes: 3
blocks:
  b:
    args: {width: int, stride: 1}
    body:
      - cut: {subsample: {stride: stride}}
      - conv: {out: width, kernel: 1}
      - same: {pad_channels: {}}
      - sum: {add: {}, from: [same, conv]}
      - relu
  c: {args: {stride: 1}, body: [{subsample: {stride: stride}}]}
stages:
  - {name: one, block: b, repeat: 2, width: 4}
  - {name: two, block: c}
head: [{s: {subsample: {stride: 1}}}, global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_what_does_nothing_is_not_written(backend, spec):
    if backend == "flax":
        pytest.importorskip("flax")
    net = archspec.load(spec(IDLE))
    check(net, tolerance=1e-8, backend=backend)
    source = archspec.emit(net, backend)["model.py"]
    assert "::1" not in source
    assert "pad(" not in source
    assert "stride" not in source
    strided = archspec.load(spec(IDLE.replace("block: b, ", "block: b, stride: 2, ")))
    check(strided, tolerance=1e-8, backend=backend)
    written = {"torch": "stride=self.stride)", "flax": "::self.stride"}[backend]
    assert written in archspec.emit(strided, backend)["model.py"].replace(" ", "")


WORDS = """
input: {channels: 3, size: 6}
classes: 3
blocks:
  gated:
    args: {width: int, gate: [soft, hard, 3x3]}
    body: [{conv: {out: width, kernel: 1}}, {sigmoid: {}, when: gate == 'soft'}, {relu: {}, when: gate == 'hard'}]
stages:
  - {name: one, block: gated, width: 4}
  - {name: two, block: {gated: {gate: hard}}, width: 4}
  - {name: three, block: {gated: {gate: 3x3}}, width: 4}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_classes_are_named_by_the_word_that_sets_them_apart(spec):
    tree = ast.parse(archspec.emit(archspec.load(spec(WORDS)), "torch")["model.py"])
    assert [n.name for n in tree.body if isinstance(n, ast.ClassDef)] == ["Gated", "HardGated", "GatedBlock", "Net"]


DENSE = """
args: {n: 4}
input: {channels: 3, size: 8}
classes: 5
shortcut: identity
blocks:
  dense:
    args: {growth: int}
    out: growth
    body: [norm, act, {conv: {out: growth, kernel: 3}}]
    merge: concat
stages: [{name: dense1, block: dense, repeat: n, growth: 6}]
head: [norm, act, global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_blocks_whose_inputs_grow_are_a_loop_too(spec):
    net = archspec.load(spec(DENSE))
    check(net, tolerance=1e-8)
    source = archspec.emit(net, "torch")["model.py"]
    assert "self.dense1 = nn.Sequential(*(Dense(3 + 6 * i, 6) for i in range(4)))" in source
    deep = archspec.emit(archspec.load(spec(DENSE), set={"n": 40}), "torch")["model.py"]
    assert len(deep.splitlines()) == len(source.splitlines())


def test_what_is_built_is_the_emitted_source():
    net = archspec.load("cifar_resnet:resnet20")
    model = archspec.build(net, "torch")
    assert inspect.getsource(sys.modules[type(model).__module__]) == archspec.emit(net, "torch")["model.py"]


def test_a_traceback_shows_the_emitted_line():
    import traceback

    model = archspec.build(archspec.load("cifar_resnet:resnet20"), "torch")
    with pytest.raises(RuntimeError) as raised:
        model(torch.zeros(1, 4, 32, 32))
    assert "x = self.conv1(x)" in [frame.line for frame in traceback.extract_tb(raised.value.__traceback__)]


NASTY = [
    '"""',
    "'''",
    "\\",
    "\\N{BULLET}",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${HOME}",
    "\u2028",
    "#",
    "\x85",
    'r"""',
    '\\"""',
]


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


def test_one_seed_gives_one_model():
    net = archspec.load("cifar_resnet:resnet20")
    before = torch.random.get_rng_state()
    first, same, other = (archspec.build(net, "torch", seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(before, torch.random.get_rng_state()), "building a model leaves the user's generator alone"


def test_initialization_is_that_of_the_recipe():
    model = archspec.build(archspec.load("resnet18", set={"init.zero_last_norm": True}), "torch")
    weight = model.layer4[0].conv2.weight  # 512 channels out through 3x3: He et al. (2015b), fan-out
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert model.layer4[0].bn2.weight.abs().max() == 0
    assert model.layer4[0].bn1.weight.min() == 1
    highway = archspec.build(archspec.load("cifar_highway", set={"shortcut": {"highway": {"bias": -3.5}}}), "torch")
    assert torch.equal(highway.layer1[0].gate.conv.bias, torch.full((16,), -3.5))


def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded(tmp_path):
    from safetensors.torch import save_file

    net = archspec.load("cifar_resnet:resnet20")
    state = archspec.build(net, "torch").state_dict()
    save_file(state, tmp_path / "whole.safetensors")
    again = archspec.build(net, "torch", seed=5, weights=tmp_path / "whole.safetensors").state_dict()
    assert all(torch.equal(state[k], again[k]) for k in state)

    state["extra"] = state.pop("fc.bias")
    state["fc.weight"] = state["fc.weight"][:5].clone()
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(archspec.WeightsError) as raised:
        archspec.build(net, "torch", weights=tmp_path / "other.safetensors")
    for part in ("missing", "fc.bias", "unexpected", "extra", "fc.weight", "(5, 64)", "(10, 64)"):
        assert part in str(raised.value)


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 64, (1 << 40).to_bytes(8, "little") + b"{}"])
def test_unreadable_weights_are_said_in_one_line(tmp_path, content):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(archspec.WeightsError, match=r"w\.safetensors"):
        archspec.build(archspec.load("digits_resnet"), "torch", weights=path)


@st.composite
def random_nets(draw):
    """Well-typed specs: stages of library blocks with any shortcut that fits, any norm and activation."""
    number = draw(st.integers(1, 3))
    lines = [
        f"input: {{channels: {draw(st.integers(1, 4))}, size: [{draw(st.integers(8, 17))}, {draw(st.integers(8, 17))}]}}",
        f"classes: {draw(st.integers(2, 5))}",
        f"norm: {draw(st.sampled_from(['batch_norm', 'layer_norm', '{group_norm: {groups: 2}}', 'identity']))}",
        f"act: {draw(st.sampled_from(['relu', 'gelu', 'silu', 'hard_swish', 'tanh']))}",
        f"shortcut: {draw(st.sampled_from(['none', 'projection', 'projection_all', '{zero_pad: {zeros: end}}']))}",
        "stages:",
    ]
    width = 4
    for index in range(number):
        block = draw(st.sampled_from(["basic", "bottleneck", "conv_norm_act"]))
        width *= draw(st.sampled_from([1, 2]))
        repeat, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        lines.append(f"  - {{name: s{index}, block: {block}, repeat: {repeat}, width: {width}, stride: {stride}}}")
    return "\n".join([*lines, "head: [global_avg_pool, {fc: {linear: {out: classes}}}]", ""])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=random_nets())
def test_random_nets_count_as_built_and_equal_the_reference(text, spec):
    path = spec(text)
    mistakes = {d.code for d in archspec.check(path)}
    if mistakes:
        assert mistakes <= {"AS401", "AS402", "AS405"}, "only shapes can be wrong in these"
        return
    net = archspec.load(path)
    check(net, batch=2, tolerance=1e-7)
    model = archspec.build(net, "torch")
    assert sum(p.numel() for p in model.parameters()) == net.cost.params


UNIT = """
  unit:
    args: {width: int, gated: false, stride: 1}
{out}    body:
      - conv: {conv: {out: width, kernel: 3, stride: stride}}
      - {gate: sigmoid, when: gated}
      - {mul: {}, from: [conv, gate], when: gated}
"""
OUTER = """
  outer:
    args: {{width: int, gated: false, wide: false, stride: 1}}
    {out}
    body:
      - a: {{unit: {{width: "width * (2 if wide else 1)", stride: stride}}}}
      - act
      - b: {{unit: {{width: width, gated: {gated}}}}}
      - {{norm: {{}}, when: {when}}}
      - {{tail: {{conv: {{out: width, kernel: 1}}}}, when: wide}}
    merge: {merge}
    after: {after}
"""


@st.composite
def nested_nets(draw):
    """Blocks inside blocks, whose insides hang on flags, widths and strides, with and without declared channels."""
    merge = draw(st.sampled_from(["add", "concat"]))
    parts = {
        "out": draw(st.sampled_from(["out: width", ""])),
        "gated": draw(st.sampled_from(["gated", "not gated", "width > 4", "stride == 1"])),
        "when": draw(st.sampled_from(["stride == 1", "gated or wide", "in_channels == width"])),
        "merge": merge,
        "after": draw(st.sampled_from(["[]", "[relu]", "[{unit: {width: in_channels, gated: wide}}]"])),
    }
    lines = ["input: {channels: 2, size: 12}", "classes: 3",
             f"shortcut: {'identity' if merge == 'concat' else draw(st.sampled_from(['none', 'projection']))}",
             "blocks:", UNIT.replace("{out}", draw(st.sampled_from(["    out: width\n", "", ""]))),
             OUTER.format(**parts), "stages:"]  # fmt: skip
    for index in range(draw(st.integers(1, 3))):
        stride = draw(st.integers(1, 2)) if merge == "add" else 1
        flags = (
            f"gated: {draw(st.sampled_from(['true', 'false']))}, wide: {draw(st.sampled_from(['true', 'false']))}"
        )
        lines.append(f"  - {{name: s{index}, block: outer, repeat: {draw(st.integers(1, 4))}, "
                     f"width: {draw(st.sampled_from([4, 6]))}, stride: {stride}, {flags}}}")  # fmt: skip
    return "\n".join([*lines, "head: [global_avg_pool, {fc: {linear: {out: classes}}}]", ""])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=nested_nets())
def test_blocks_inside_blocks_are_emitted_as_they_are(text, spec):
    net = archspec.load(spec(text))
    check(net, batch=2, tolerance=1e-7)


def test_equal_arguments_do_not_hide_unequal_insides(spec):
    """A class is shared only where the classes inside of it are the same."""
    text = "input: {size: 8}\nclasses: 3\nshortcut: identity\nblocks:" + UNIT.replace("{out}", "    out: width\n")
    text += OUTER.format(out="out: width", gated="gated", when="true", merge="add", after="[]")
    text += "stem: [{conv: {out: 4, kernel: 1}}]\nstages:\n  - {name: plain, block: outer, width: 4}\n"
    text += "  - {name: gated, block: outer, width: 4, gated: true}\nhead: [global_avg_pool, {fc: {linear: {out: 3}}}]\n"
    net = archspec.load(spec(text))
    check(net, tolerance=1e-7)
    source = archspec.emit(net, "torch")["model.py"]
    assert [n.name for n in ast.parse(source).body if isinstance(n, ast.ClassDef)] == [
        "Unit", "GatedUnit", "Outer", "GatedOuter", "Net"
    ]  # fmt: skip


HASH = """
import archspec, hashlib
print(hashlib.sha256(repr(sorted(archspec.emit(archspec.load("resnet50"), "torch").items())).encode()).hexdigest())
"""


def test_emission_is_the_same_in_every_process():
    def run(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", HASH], capture_output=True, text=True, env=environment).stdout

    assert run("1") == run("2") != ""

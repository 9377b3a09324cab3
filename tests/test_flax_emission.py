"""What the Flax backend writes and builds: golden files, lint, strict types, the spec's names, PyTorch's answers."""

import ast
import contextlib
import inspect
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import archspec
from archspec import zoo
from archspec.files import write_folder
from archspec.names import RESERVED
from comparing import Flax, check
from test_emission import NASTY, random_nets

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
import jax.numpy as jnp  # noqa: E402

from archspec_flax import names  # noqa: E402
from archspec_flax.backend import FlaxBackend  # noqa: E402

REPO = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
NETS = {
    "cifar-resnet-20": "cifar_resnet:resnet20",
    "cifar-highway-20": "cifar_highway",
    "cifar-resnet-110": "cifar_resnet:resnet110",
    "resnet50": "resnet50",
    "resnet18-options-c": "resnet18",
    "vgg19": "vgg19",
    "everything": str(GOLDEN / "everything.yaml"),
    "starts": str(GOLDEN / "flax" / "starts.yaml"),
}
OVERRIDES = {"resnet18-options-c": {"shortcut": "projection_all", "init.zero_last_norm": True}}
RULES = "E,F,W,I,B,UP,C4,SIM,RUF,PIE,N,D1,ANN,PL,A"
QUICKLY = dict(Flax.quickly)


@pytest.fixture(autouse=True)
def _drawn_quickly():
    """Random numbers by a generator that compiles in a fifth of the time."""
    with jax.default_prng_impl("unsafe_rbg"):
        yield


@pytest.fixture(scope="module")
def emitted():
    return {key: archspec.emit(load(key), "flax") for key in NETS}


def load(key):
    return archspec.load(NETS[key], set=OVERRIDES.get(key))


def forward(model, x):
    """The answers for (N, C, H, W), compiled."""
    graph, state = nnx.split(model)
    run = jax.jit(lambda state, image: nnx.merge(graph, state)(image), compiler_options=QUICKLY)
    return np.asarray(run(state, jnp.asarray(x.transpose(0, 2, 3, 1))))


# --- source ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", NETS)
def test_emitted_models_are_the_golden_ones(key, emitted, request):
    path = GOLDEN / "flax" / key / "model.py"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(emitted[key]["model.py"], encoding="utf-8")
    assert emitted[key]["model.py"] == path.read_text(encoding="utf-8"), f"{key}; see --update-golden"


@pytest.mark.parametrize("key", NETS)
def test_golden_code_is_imported_and_classifies(key):
    net = load(key)
    space: dict[str, object] = {}
    exec(compile((GOLDEN / "flax" / key / "model.py").read_text(), key, "exec", dont_inherit=True), space)
    images = jnp.zeros((2, *net.input_shape[1:], net.input_shape[0]))
    model = nnx.eval_shape(lambda: space[net.class_name](num_classes=3, rngs=nnx.Rngs(0)))
    assert nnx.eval_shape(lambda model, x: model(x), model, images).shape == (2, 3)
    assert names.spec_shapes(model).items() >= dict(list(net.parameter_shapes().items())[:-2]).items()


def test_emitted_code_passes_ruff(tmp_path, emitted):
    for key, files in emitted.items():
        write_folder(tmp_path / key, {"model.py": files["model.py"]})
        assert max(map(len, files["model.py"].splitlines())) <= 100
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--isolated", "--line-length=100", f"--select={RULES}"],
                    ["format", "--check", "--isolated", "--line-length=100"]):  # fmt: skip
        # widths are what a model file is made of (PLR2004, PLR0913); constructors are documented by their class (D107)
        ignore = ["--ignore=PLR2004,PLR0913,D107"] if command[0] == "check" else []
        done = subprocess.run([*ruff, *command, *ignore, "."], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_emitted_code_passes_strict_types(tmp_path, emitted):
    for key, files in emitted.items():
        (tmp_path / f"{key.replace('-', '_')}.py").write_text(files["model.py"])
    # Flax's poolings have no annotations
    mypy = [sys.executable, "-m", "mypy", "--strict", "--untyped-calls-exclude=flax", "--config-file="]
    targets = sorted(p.name for p in tmp_path.glob("*.py"))
    command = [*mypy, f"--cache-dir={tmp_path / 'cache'}", *targets]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_emitted_code_imports_jax_and_flax_alone(emitted):
    for files in emitted.values():
        tree = ast.parse(files["model.py"])
        found = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        found |= {str(n.module).split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert found <= {"__future__", "collections", "functools", "math", "jax", "flax"}


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


HELPERS = """archspec: 1
name: linear
input: {channels: 3, size: 6}
classes: 3
blocks:
  b: {class_name: Conv, args: {width: int}, out: width, body: [{conv: {out: width, kernel: 3}}, relu, norm]}
  sequential: {args: {width: int}, out: width, body: [{uniform: {conv: {out: width, kernel: 1}}}]}
stem: [{layers: {conv: {out: 4, kernel: 3}}}, {kernel: norm}]
stages: [{name: scale, block: b, width: 4, repeat: 2}, {name: mean, block: sequential, width: 4}]
head: [global_avg_pool, {bias: {linear: {out: classes}}}]
"""


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


# --- names, weights, answers ----------------------------------------------------------------------------------------


def all_shapes(net):
    """Every tensor of a net by its dotted name, buffers included."""
    buffers = {f"{r.name}.{k}": s for r in net.modules() for k, s in r.target.buffers(*r.input_shapes).items()}
    return net.parameter_shapes() | buffers


NAMED = [
    *zoo.names(),
    *(f"cifar_resnet:{key}" for key in ("resnet110", "resnet1202", "plain56")),
    "resnet152:paper",
]


@pytest.mark.parametrize("name", NAMED)
def test_names_and_shapes_are_the_specs(name):
    net = archspec.load(name)
    space: dict[str, object] = {}
    exec(compile(archspec.emit(net, "flax")["model.py"], name, "exec", dont_inherit=True), space)

    def make():
        return space[net.class_name](rngs=nnx.Rngs(0))

    # tracing the draws of a thousand layers takes JAX minutes, drawing them does not
    model = make() if net.cost.depth > 1000 else nnx.eval_shape(make)
    assert names.spec_shapes(model) == all_shapes(net)
    learned = [p.shape for p in names.places(model).values() if isinstance(p.variable, nnx.Param)]
    assert sum(map(math.prod, learned)) == net.cost.params


@contextlib.contextmanager
def double_precision():
    with jax.enable_x64(True):
        yield


SIZES = {"plain18": 64, "plain34": 64, "resnet34": 64, "resnet50": 64, "resnet50:paper": 32, "resnet101": 32,
         "resnet152": 32, "vgg19": 32}  # fmt: skip
"""What is not cheap in full is compared on smaller images."""

ANSWERS = [*zoo.names(), "cifar_resnet:plain20", "resnet50:paper", NETS["everything"]]


@pytest.mark.parametrize("name", ANSWERS, ids=lambda name: Path(name).stem)
def test_same_weights_give_the_same_answers_in_both_frameworks(name):
    torch = pytest.importorskip("torch")
    from deterministic import fill

    net = archspec.load(name, set={"input.size": SIZES[name]} if name in SIZES else {})
    theirs = fill(archspec.build(net, "torch"))
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(1, *net.input_shape))
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(x)).numpy()
        single = theirs.float()(torch.from_numpy(x).float()).numpy()
    size = np.abs(expected).max()
    with double_precision():
        singles = {k: v.astype(np.float32) if v.ndim else v for k, v in state.items()}
        ours = FlaxBackend().build(net, seed=0, weights=singles)
        ours.eval()
        found = forward(ours, x.astype(np.float32))
        assert found.dtype == np.float32, "the result is as precise as what goes in, whatever JAX could do"
        np.testing.assert_allclose(found, single, rtol=1e-4, atol=1e-4 * size)
        names.load_state_dict(ours, state)
        again = names.state_dict(ours)
        assert set(again) == set(state)
        for key, value in state.items():
            np.testing.assert_array_equal(again[key], value, strict=True)
        np.testing.assert_allclose(forward(ours, x), expected, rtol=1e-9, atol=1e-9 * size)


def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded(tmp_path):
    from safetensors.numpy import save_file

    net = archspec.load("cifar_resnet:resnet20")
    model = archspec.build(net, "flax")
    state = names.state_dict(model)
    state["extra"] = state.pop("fc.bias")
    state["fc.weight"] = state["fc.weight"][:5].copy()
    state["conv1.weight"] = state["conv1.weight"] + 1
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(archspec.WeightsError) as raised:
        archspec.build(net, "flax", weights=tmp_path / "other.safetensors")
    for part in ("missing", "fc.bias", "unexpected", "extra", "fc.weight", "(5, 64)", "(10, 64)"):
        assert part in str(raised.value)
    assert not np.array_equal(names.state_dict(model)["conv1.weight"], state["conv1.weight"])
    with pytest.raises(ValueError, match=r"extra, fc\.bias, fc\.weight"):
        names.load_state_dict(model, state)


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 64, (1 << 40).to_bytes(8, "little") + b"{}"])
def test_unreadable_weights_are_said_in_one_line(tmp_path, content):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(archspec.WeightsError, match=r"w\.safetensors"):
        archspec.build(archspec.load("digits_resnet", set={"n": 1}), "flax", weights=path)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_a_file_of_another_precision_loses_nothing_that_can_be_kept(kind, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    net = archspec.load("digits_resnet", set={"n": 1})
    model = archspec.build(net, "torch").to(getattr(torch, kind))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    with double_precision():
        precise = archspec.build(net, "flax", weights=tmp_path / "w.safetensors").conv1.kernel
    rounded = (
        pytest.warns(UserWarning, match="JAX_ENABLE_X64=1 to keep")
        if kind == "float64"
        else contextlib.nullcontext()
    )
    with rounded:
        usual = archspec.build(net, "flax", weights=tmp_path / "w.safetensors").conv1.kernel
    assert precise.dtype == (jnp.float64 if kind == "float64" else jnp.float32)
    assert usual.dtype == jnp.float32
    expected = model.conv1.weight.detach().double().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(np.asarray(precise.get_value(), np.float64), expected)


# --- models ---------------------------------------------------------------------------------------------------------


def test_one_seed_gives_one_model():
    net = archspec.load("digits_resnet", set={"n": 1})
    first, same, other = (names.state_dict(archspec.build(net, "flax", seed=s)) for s in (1, 1, 2))
    assert all(np.array_equal(first[k], same[k]) for k in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])
    space: dict[str, object] = {}
    exec(compile(archspec.emit(net, "flax")["model.py"], "model.py", "exec", dont_inherit=True), space)
    alone = names.state_dict(space[net.class_name](rngs=nnx.Rngs(1)))
    assert all(np.array_equal(first[k], alone[k]) for k in first), "the seed is all that building adds"


def test_a_model_is_built_where_its_shapes_alone_are_asked_for(spec):
    net = archspec.load(spec(HELPERS))
    abstract = nnx.eval_shape(lambda: archspec.build(net, "flax"))
    assert names.spec_shapes(abstract) == all_shapes(net)


def test_parameters_are_drawn_by_one_program(caplog):
    with jax.log_compiles():
        archspec.build(archspec.load("digits_resnet:resnet8"), "flax")
    compiled = [said for said in caplog.messages if said.startswith("Finished XLA compilation")]
    assert len(compiled) == 1, compiled


STARTS = {
    "he_normal_fan_out": (2 / (64 * 9)) ** 0.5,
    "he_normal_fan_in": (2 / (16 * 9)) ** 0.5,
    "xavier_uniform": (2 / (80 * 9)) ** 0.5,
    "uniform_fan_in": (1 / 3 / (16 * 9)) ** 0.5,
    "{normal: {std: 0.02}}": 0.02,
}


@pytest.mark.parametrize("how", STARTS)
def test_convolutions_start_as_the_recipe_says(how, spec):
    net = archspec.load(spec(
        f"input: {{channels: 32, size: 3}}\nclasses: 4\ninit: {{conv: {how}}}\n"
        "stem: [{c: {conv: {out: 64, kernel: 3, groups: 2, bias: true}}},"
        " {d: {conv: {out: 64, kernel: 1, bias: true, bias_init: -2}}}]\n"
        "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
    ))  # fmt: skip
    model = archspec.build(net, "flax")
    weight, bias = np.asarray(model.c.kernel.get_value()), np.asarray(model.c.bias.get_value())
    assert weight.std() == pytest.approx(STARTS[how], rel=0.03)
    assert abs(weight.mean()) < 4 * STARTS[how] / weight.size**0.5
    uniform = "uniform" in how
    top = np.abs(weight).max() / STARTS[how]  # a uniform distribution ends at sqrt(3), a truncated normal at 2.3
    assert 1.7 < top <= 3**0.5 + 1e-5 if uniform else top > 3
    assert (np.abs(bias).max() > 0) == (how == "uniform_fan_in")
    assert np.abs(bias).max() <= (16 * 9) ** -0.5
    assert np.array_equal(model.d.bias.get_value(), np.full(64, -2.0))


def test_initialization_is_that_of_the_recipe():
    model = archspec.build(archspec.load("resnet18", set={"init.zero_last_norm": True}), "flax")
    assert np.abs(model.layer4[0].bn2.scale[...]).max() == 0
    assert np.min(model.layer4[0].bn1.scale[...]) == 1
    for values in (model.fc.kernel[...], model.fc.bias[...]):  # as PyTorch's nn.Linear does
        assert np.std(values) == pytest.approx((1 / 3 / 512) ** 0.5, rel=0.05)
        assert np.abs(values).max() <= 512**-0.5
    highway = archspec.build(archspec.load("cifar_highway", set={"shortcut": {"highway": {"bias": -3.5}}}), "flax")
    assert np.array_equal(highway.layer1[0].gate.conv.bias[...], np.full(16, -3.5))
    starts = archspec.build(load("starts"), "flax")
    assert np.array_equal(starts.norm0.scale[...], np.full(8, 0.5, np.float32))
    assert np.array_equal(starts.norm1.bias[...], np.full(8, 0.25, np.float32))
    assert np.array_equal(starts.layer1[0].bn1.scale[...], np.full(8, 0.5, np.float32))
    assert np.abs(starts.layer1[0].bn2.scale[...]).max() == 0


def test_models_are_what_flax_expects_of_a_module():
    model = archspec.build(load("everything"), "flax")
    x = np.random.default_rng(0).normal(size=(2, 20, 24, 3)).astype(np.float32)
    assert not np.array_equal(model(x), model(x)), "as made, a model trains"
    model.eval()
    expected = np.asarray(model(x))
    graph, state = nnx.split(model)
    for other in (nnx.merge(graph, state), nnx.clone(model)):
        np.testing.assert_array_equal(other(x), expected)
    np.testing.assert_allclose(nnx.jit(lambda model, x: model(x))(model, x), expected, rtol=1e-4, atol=1e-5)
    assert [type(block).__name__ for block in model.squeezed] == ["SqueezeBottleneck"] * 3
    for name, place in names.places(model).items():
        *path, _ = name.split(".")
        found = model
        for part in path:
            found = found[int(part)] if part.isdigit() else getattr(found, part)
        assert any(place.variable is kept for kept in vars(found).values()), (
            "a name is the way through the attributes"
        )


def test_half_precision_is_an_attribute_away():
    model = archspec.build(archspec.load("digits_resnet", set={"n": 1}), "flax")
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32)
    expected = np.asarray(model(x))
    model.set_attributes(dtype=jnp.bfloat16)
    found = model(x)
    assert found.dtype == jnp.bfloat16
    assert {p.variable.dtype for p in names.places(model).values()} == {jnp.dtype("float32"), jnp.dtype("int32")}
    np.testing.assert_allclose(np.asarray(found, np.float32), expected, atol=0.1 * np.abs(expected).max())
    model.eval()
    assert model(x).dtype == jnp.bfloat16


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
          phases=[Phase.generate])  # fmt: skip
@given(text=random_nets())
def test_random_nets_equal_the_reference(text, spec):
    path = spec(text)
    if archspec.check(path):
        return
    check(archspec.load(path), batch=2, tolerance=1e-7, backend="flax")

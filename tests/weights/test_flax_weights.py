"""Flax models have the spec's names and shapes, take weights of any file, and answer as PyTorch's do."""

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import archspec
import zoo_nets
from comparing import QUICKLY, channels_first, each
from converting import SHALLOW
from emitting import imported
from flax_nets import NETS, all_shapes

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
import jax.numpy as jnp  # noqa: E402

from archspec_flax import names  # noqa: E402
from archspec_flax.backend import FlaxBackend  # noqa: E402

pytestmark = pytest.mark.usefixtures("drawn_quickly")


def forward(model, x):
    """The answers for (N, C, H, W), compiled."""
    graph, state = nnx.split(model)
    run = jax.jit(lambda state, image: nnx.merge(graph, state)(image), compiler_options=QUICKLY)
    return zoo_nets.flat(each(run(state, jnp.asarray(x.transpose(0, 2, 3, 1))), channels_first))


NAMED = [
    *zoo_nets.NETS,
    *zoo_nets.rarely(*(f"cifar_resnet:{key}" for key in ("resnet110", "resnet1202", "plain56")), "resnet152:paper"),
]


@pytest.mark.parametrize("name", NAMED)
def test_names_and_shapes_are_the_specs(name):
    net = archspec.load(name)
    made = getattr(imported(net, "flax"), net.class_name)

    def make():
        return made(rngs=nnx.Rngs(0))

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
         "resnet152": 32, "vgg": 32, **zoo_nets.SMALL}  # fmt: skip
"""What is not cheap in full is compared on smaller images."""


ANSWERS = [*zoo_nets.NETS, *zoo_nets.rarely("cifar_resnet:plain20", "resnet50:paper"), NETS["everything"]]


@pytest.mark.parametrize("name", ANSWERS, ids=lambda name: Path(name).stem)
def test_same_weights_give_the_same_answers_in_both_frameworks(name):
    torch = pytest.importorskip("torch")
    from deterministic import fill

    net = archspec.load(
        name, set={**({"input.size": SIZES[name]} if name in SIZES else {}), **SHALLOW.get(name, {})}
    )
    theirs = fill(archspec.build(net, "torch"))
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    x = np.random.default_rng(0).normal(size=(1, *net.input_shape))
    with torch.inference_mode():
        expected = zoo_nets.flat(theirs(torch.from_numpy(x)))
        single = zoo_nets.flat(theirs.float()(torch.from_numpy(x).float()))
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
    with jax.enable_x64(False), rounded:
        usual = archspec.build(net, "flax", weights=tmp_path / "w.safetensors").conv1.kernel
    assert precise.dtype == (jnp.float64 if kind == "float64" else jnp.float32)
    assert usual.dtype == jnp.float32
    expected = model.conv1.weight.detach().double().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(np.asarray(precise.get_value(), np.float64), expected)


def test_tensors_of_a_nets_own_may_be_called_as_those_of_flax_s_layers(cli, tmp_path):
    """A step `scale` of a block is no layer's `weight`, in models and in Orbax checkpoints."""
    names_ = ("kernel", "scale", "mean", "var", "weight", "scale_")
    steps = ", ".join(
        f"{{{name}: {{parameter: {{shape: [4, 1, 1]}}}}}}, {{with_{name}: {{mul: {{}}, from: [{before}, {name}]}}}}"
        for name, before in zip(names_, ("norm", *(f"with_{name}" for name in names_)), strict=False)
    )
    spec = tmp_path / "own.yaml"
    spec.write_text(
        f"archspec: 1\nname: own\ninput: {{size: 4}}\nclasses: 2\nblocks:\n  b: {{body: [{{norm: norm}}, {steps}]}}\n"
        "stem: [{conv: {out: 4, kernel: 1}}]\nstages: [{name: s, block: b, repeat: 9}]\n"
        "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
    )
    net = archspec.load(spec)
    random = np.random.default_rng(0)
    given = {
        name: np.zeros(shape, np.int64) if not shape else random.random(shape, np.float32)
        for name, shape in all_shapes(net).items()
    }
    safetensors.numpy.save_file(given, tmp_path / "w.safetensors")
    model = archspec.build(net, "flax", weights=tmp_path / "w.safetensors")
    for path in (tmp_path / "orbax", tmp_path / "again.safetensors"):
        source = tmp_path / ("w.safetensors" if path.name == "orbax" else "orbax")
        to = ["--to", "flax"] if path.name == "orbax" else []
        done = cli("convert", str(source), str(path), "--spec", str(spec), *to)
        assert done.exit_code == 0, done.output
    for found in (names.state_dict(model), safetensors.numpy.load_file(tmp_path / "again.safetensors")):
        assert found.keys() == given.keys()
        assert all((found[name] == given[name]).all() for name in given)

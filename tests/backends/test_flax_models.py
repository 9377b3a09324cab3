"""Flax models as they are built: drawn by one program as the recipe says, and what Flax expects of a module."""

import numpy as np
import pytest

import archspec
from emitting import imported
from flax_nets import HELPERS, all_shapes, load

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
import jax.numpy as jnp  # noqa: E402

from archspec_flax import names  # noqa: E402
from archspec_flax.trainer import drawing  # noqa: E402

pytestmark = pytest.mark.usefixtures("drawn_quickly")


def test_one_seed_gives_one_model_and_one_program_those_of_all_seeds(monkeypatch):
    net, programs, compiled = archspec.load("digits_resnet", set={"n": 1}), [], drawing._compiled

    def seen(draw, bits, device):
        programs.append(jax.jit(draw).lower(bits).as_text())
        return compiled(draw, bits, device)

    monkeypatch.setattr(drawing, "_compiled", seen)
    first, same, other = (names.state_dict(archspec.build(net, "flax", seed=s)) for s in (1, 1, 2))
    assert len(programs) == 3
    assert len(set(programs)) == 1
    assert all(np.array_equal(first[k], same[k]) for k in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])
    made = getattr(imported(net, "flax"), net.class_name)
    alone = names.state_dict(made(rngs=nnx.Rngs(1)))
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
    many = {"n": 1, "classes": 1000, "init.zero_last_norm": True, "train.data.dataset": "synthetic"}
    model = archspec.build(archspec.load("cifar_resnet", set=many), "flax")
    assert np.abs(model.layer3[0].bn2.scale[...]).max() == 0
    assert np.min(model.layer3[0].bn1.scale[...]) == 1
    for values in (model.fc.kernel[...], model.fc.bias[...]):  # as PyTorch's nn.Linear does
        assert np.std(values) == pytest.approx((1 / 3 / 64) ** 0.5, rel=0.05)
        assert np.abs(values).max() <= 64**-0.5
    highway = archspec.build(
        archspec.load("cifar_highway", set={"n": 1, "shortcut": {"highway": {"bias": -3.5}}}), "flax"
    )
    assert np.array_equal(highway.layer1[0].gate.conv.bias[...], np.full(16, -3.5))
    starts = archspec.build(load("starts"), "flax")
    assert np.array_equal(starts.norm0.scale[...], np.full(8, 0.5, np.float32))
    assert np.array_equal(starts.norm1.bias[...], np.full(8, 0.25, np.float32))
    assert np.array_equal(starts.layer1[0].bn1.scale[...], np.full(8, 0.5, np.float32))
    assert np.abs(starts.layer1[0].bn2.scale[...]).max() == 0


def test_models_are_what_flax_expects_of_a_module():
    model, compiled = archspec.build(load("everything"), "flax"), nnx.jit(lambda model, x: model(x))
    x = np.random.default_rng(0).normal(size=(2, 20, 24, 3)).astype(np.float32)
    assert not np.array_equal(compiled(model, x), compiled(model, x)), "as made, a model trains"
    model.eval()
    expected = np.asarray(model(x))
    graph, state = nnx.split(model)
    for other in (nnx.merge(graph, state), nnx.clone(model)):
        np.testing.assert_array_equal(other(x), expected)
    np.testing.assert_allclose(compiled(model, x), expected, rtol=1e-4, atol=1e-5)
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
    x, compiled = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32), nnx.jit(lambda m, x: m(x))
    expected = np.asarray(compiled(model, x))
    model.set_attributes(dtype=jnp.bfloat16)
    found = compiled(model, x)
    assert found.dtype == jnp.bfloat16
    assert {p.variable.dtype for p in names.places(model).values()} == {jnp.dtype("float32"), jnp.dtype("int32")}
    np.testing.assert_allclose(np.asarray(found, np.float32), expected, atol=0.1 * np.abs(expected).max())
    model.eval()
    assert nnx.eval_shape(lambda model, x: model(x), model, x).dtype == jnp.bfloat16

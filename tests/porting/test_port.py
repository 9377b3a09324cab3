"""Models with weights go to the other framework, proven equal layer by layer, or nothing is written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec.porting.port import of_weights

torch = pytest.importorskip("torch")
pytest.importorskip("flax")
import importing_nets  # noqa: E402

NETS = Path(importing_nets.__file__)


@pytest.fixture(scope="module")
def module():
    """A residual net of somebody's, whose weights are not those of a fresh one."""
    torch.manual_seed(0)
    net = importing_nets.Net()
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return net


@pytest.fixture(scope="module")
def to_flax(module, tmp_path_factory):
    """The model in Flax, and the folder that was written."""
    ported = archspec.port(module, "flax", torch.zeros(2, 3, 8, 8))
    folder = tmp_path_factory.mktemp("port") / "nnx"
    ported.write(folder)
    return ported, folder


def test_every_step_has_its_largest_difference_forward_and_backward(to_flax):
    ported, _ = to_flax
    by_name = {layer.name: layer for layer in ported.layers}
    assert [n for n in by_name if n.startswith("layers.0")] == [
        *(f"layers.0.{n}" for n in ("conv1", "bn1", "conv2", "bn2")), "layers.0",
    ]  # fmt: skip
    assert "dropout" in by_name, "what drops at random is compared with its rate 0"
    assert by_name["the result"].training is not None
    for layer in ported.layers:
        assert layer.evaluation is not None
        assert layer.evaluation < 1e-12
        assert layer.training < 1e-12
        assert layer.gradient is None or layer.gradient < 1e-12
    assert None not in (by_name["layers.2.bn2"].gradient, by_name["layers.2.bn2"].parameters)
    assert ported.compared_with == "the source itself"


def test_the_written_weights_are_the_models_bit_for_bit(module, to_flax):
    _, folder = to_flax
    net = archspec.load(folder / "spec.yaml")
    ours = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    from archspec.weights.convert import read_fitting

    for weights in (folder / "weights", folder / "weights.safetensors"):
        read = read_fitting(net, weights)
        assert read.keys() == ours.keys()
        assert all(read[name].tobytes() == ours[name].tobytes() for name in ours)


def test_the_folder_has_the_model_the_spec_and_a_page_that_asks_for_nothing(to_flax):
    ported, folder = to_flax
    assert "nnx.Module" in (folder / "model.py").read_text()
    assert archspec.load(folder / "net.yaml").fingerprint == ported.network.fingerprint
    page = (folder / "report.html").read_text()
    assert "layers.2.skip.0" in page
    assert "bit for bit" in page
    assert not re.search(r"(src|href)=|<script|@import|url\(", page)


def test_a_built_folder_goes_back_to_torch(to_flax, cli):
    _, folder = to_flax
    done = cli("port", folder, "--to", "torch", "--out", "back", "--format", "json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["compared_with"] == "the model of the same spec and weights in flax"
    assert len(told["layers"]) > 20
    assert "weights.pt" in told["files"]
    assert torch.load("back/weights.pt").keys() == archspec.load("back/spec.yaml").tensor_shapes().keys()


def test_a_torch_model_becomes_the_readable_one_and_the_table_is_printed(cli):
    done = cli("port", f"{NETS}:Net", "--to", "torch", "--input", "3,8,8", "--out", "net")
    assert done.exit_code == 0, done.output
    assert "layers.0.bn1" in done.stdout
    assert "net: " in done.stdout
    assert (
        "equal" in Path("net/report.html").read_text() or "No layer differs" in Path("net/report.html").read_text()
    )
    Path("net/mine.txt").write_text("kept")
    done = cli("port", f"{NETS}:Net", "--to", "torch", "--input", "3,8,8", "--out", "net")
    assert done.exit_code == 2
    assert "mine.txt" in done.stderr


def test_the_first_layer_that_differs_is_named_and_nothing_is_written(module, monkeypatch, tmp_path):
    import archspec_flax.backend as backend

    usual = backend.model_files

    def changed(net):
        return {name: text.replace("self.epsilon", "10 * self.epsilon") for name, text in usual(net).items()}

    monkeypatch.setattr(backend, "model_files", changed)
    with pytest.raises(archspec.ModelError) as error:
        archspec.port(module, "flax", torch.zeros(2, 3, 8, 8)).write(tmp_path / "nnx")
    assert "`layers.0.bn1` is the first layer that differs" in str(error.value)
    assert "layers.0.conv1" in str(error.value)
    assert not (tmp_path / "nnx").exists()


SPEC = """archspec: 1
name: small
input: {size: 8}
classes: 5
stem:
  - conv1: {conv: {out: 4, kernel: 3, bias: true}}
  - bn1: norm
  - relu
  - conv2: {conv: {out: 4, kernel: 3, bias: true}}
  - relu
head: [global_avg_pool, {hidden: {linear: {out: 6}}}, relu, {fc: {linear: {out: classes}}}]
"""


@pytest.fixture(scope="module")
def linen(tmp_path_factory):
    """A model of Linen's, its variables, and the spec of such a net."""
    import flax.linen as nn
    import jax

    class Small(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-5)(nn.Conv(4, (3, 3))(x)))
            x = nn.relu(nn.Conv(4, (3, 3))(x))
            return nn.Dense(5)(nn.relu(nn.Dense(6)(x.mean((1, 2)))))

    variables = Small().init(jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    spec = tmp_path_factory.mktemp("linen") / "small.yaml"
    spec.write_text(SPEC)
    return Small(), variables, spec


def flat(variables, joined):
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {joined.join(str(key.key) for key in path): np.array(leaf) for path, leaf in leaves}


def test_weights_of_linen_become_a_torch_model_that_answers_alike(linen, cli):
    from flax import serialization

    model, variables, spec = linen
    Path("linen.msgpack").write_bytes(serialization.to_bytes(variables))
    done = cli("port", "linen.msgpack", "--spec", spec, "--to", "torch", "--out", "net")
    assert done.exit_code == 0, done.output
    assert "Conv_1.weight" in done.stderr
    net = archspec.load("net/spec.yaml")
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    ours = archspec.build(net, "torch", weights="net/weights.pt").eval()
    with torch.inference_mode():
        found = ours(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(found, model.apply(variables, images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("joined", [".", "/"])
def test_a_tree_of_linen_in_safetensors_has_its_kernels_turned(linen, joined, tmp_path):
    from safetensors.numpy import save_file

    _, variables, spec = linen
    save_file(flat(variables, joined), tmp_path / "w.safetensors")
    found = of_weights(tmp_path / "w.safetensors", str(spec), (), None)
    kernel = np.array(variables["params"]["Conv_1"]["kernel"])
    np.testing.assert_array_equal(found.weights["conv2.weight"], kernel.transpose(3, 2, 0, 1))
    assert any("`Conv_1.weight` is `conv2.weight`" in line for line in found.said)


def test_an_orbax_tree_of_linen_is_read(linen, tmp_path):
    import orbax.checkpoint as ocp

    _, variables, spec = linen
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "tree", variables)
    found = of_weights(tmp_path / "tree", str(spec), (), None)
    np.testing.assert_array_equal(found.weights["bn1.running_var"], variables["batch_stats"]["BatchNorm_0"]["var"])


def test_layers_that_could_be_either_are_asked_for_with_their_candidates(tmp_path):
    from safetensors.numpy import save_file

    spec = tmp_path / "twins.yaml"
    twin = "{conv: {out: 3, kernel: 3, bias: true}}"
    stem = SPEC.index("  - conv1"), SPEC.index("head")
    spec.write_text(f"{SPEC[: stem[0]]}  - first: {twin}\n  - conv1: {twin}\n  - conv2: {twin}\n{SPEC[stem[1] :]}")
    net = archspec.load(spec)
    names = {"first": "alpha", "conv1": "beta", "conv2": "gamma_conv", "hidden": "Dense_0", "fc": "Dense_1"}
    tensors = {}
    for name, shape in net.tensor_shapes().items():
        layer, _, leaf = name.rpartition(".")
        array = np.random.default_rng(len(tensors)).standard_normal(shape).astype(np.float32)
        axes = (2, 3, 1, 0) if array.ndim == 4 else (1, 0)
        kernel = leaf == "weight"
        tensors[f"{names[layer]}.{'kernel' if kernel else 'bias'}"] = np.ascontiguousarray(
            array.transpose(axes) if kernel else array
        )
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(archspec.WeightsError) as error:
        of_weights(tmp_path / "w.safetensors", str(spec), (), None)
    assert "`alpha` is one of `first`, `conv1`, `conv2`" in str(error.value)
    assert "--map alpha.=first." in error.value.help
    maps = ("alpha.=conv2.", "beta.=first.", "gamma_conv.=conv1.")
    found = of_weights(tmp_path / "w.safetensors", str(spec), maps, None)
    np.testing.assert_array_equal(found.weights["conv2.weight"], tensors["alpha.kernel"].transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(found.weights["hidden.weight"], tensors["Dense_0.kernel"].T)


def test_what_goes_together_on_the_command_line_is_said(cli):
    done = cli("port", "net.py:Net", "--to", "flax", "--out", "x", "--map", "a.=b.")
    assert done.exit_code == 2
    assert "--map and --key are of weights" in done.stderr
    for more, why in (
        ("net.onnx --arg a=1", "says itself what it takes"),
        ("net.prototxt", "has no weights to port"),
    ):
        done = cli("port", *more.split(), "--to", "flax", "--out", "x")
        assert done.exit_code == 2
        assert why in done.stderr
    Path("r").mkdir()
    done = cli("port", "r", "--to", "flax", "--out", "r", "--force")
    assert done.exit_code == 2
    assert "is what is ported" in done.stderr
    done = cli("port", "w.safetensors", "--spec", "resnet18", "--arg", "a=1", "--to", "flax", "--out", "x")
    assert done.exit_code == 2
    assert "--arg and --input are of a model in code" in done.stderr


def test_what_is_zero_but_for_rounding_does_not_differ():
    from archspec.backends import Observed
    from archspec.porting.layers import Step, compared, first_to_differ

    def step(mean, other):
        kept = {"bn1.running_mean": np.full(3, mean), "bn2.running_mean": np.full(3, other)}
        return Step(*[Observed({"bn1": np.ones((2, 3)), "bn2": np.ones((2, 3))}, {}, {}, {}, kept)] * 2)

    assert first_to_differ(compared(step(1e-17, 0.5), step(-1e-17, 0.5))) is None
    assert first_to_differ(compared(step(1e-17, 0.5), step(-1e-17, 0.6))).name == "bn2"

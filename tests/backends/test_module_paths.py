"""Steps whose names are paths, in every backend: what the reference gives, under the same names."""

import numpy as np
import pytest

import archspec
import reference
from comparing import Statistics, batch_norm_as, check, close
from emitting import GOLDEN, imported
from operation_nets import BACKENDS

PATHS = str(GOLDEN / "paths.yaml")


@pytest.fixture(scope="module")
def net():
    return archspec.load(PATHS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nets_of_paths_equal_the_reference(net, backend):
    check(net, backend=backend)


def test_a_model_holds_lists_and_dictionaries(net):
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        model = archspec.build(net, "torch")
    assert isinstance(model.body, torch.nn.ModuleDict)
    assert isinstance(model.deep, torch.nn.ModuleList)
    gates = model.layer1[0].gates
    assert [type(gate).__name__ for gate in gates] == ["Sigmoid", "ReLU", "Identity", "Sequential"]
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == net.tensor_shapes()


def test_a_flax_model_has_the_same_names(net):
    pytest.importorskip("flax")
    from flax import nnx

    from archspec_flax import names

    source = imported(net, "flax")
    model = nnx.eval_shape(lambda: source.Paths(rngs=nnx.Rngs(0)))
    assert names.spec_shapes(model) == net.tensor_shapes()


def test_an_onnx_file_has_the_same_names_and_answers(net):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from archspec_onnx.model import make_model

    random = np.random.default_rng(0)
    weights = {key: random.normal(size=shape) for key, shape in net.parameter_shapes().items()}
    statistics = Statistics()
    for row in net.modules():
        if row.op == "batch_norm":
            mean, var = random.normal(size=row.input_shapes[0][0]), 0.5 + random.random(row.input_shapes[0][0])
            weights |= {f"{row.name}.running_mean": mean, f"{row.name}.running_var": var}
            statistics.running.append((mean, var))
    model = make_model(net, weights)
    assert weights.keys() == {tensor.name for tensor in model.graph.initializer if tensor.name in weights}
    x = random.normal(size=(2, *net.input_shape)).astype(np.float32)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with batch_norm_as(statistics.evaluate):
        (expected,), _ = reference.run_results(net.root, [x.astype(np.float64)], weights)
    close(session.run(None, {"images": x})[0], expected, 1e-4)


def test_weights_are_renamed_to_paths(net, cli, tmp_path):
    torch = pytest.importorskip("torch")
    state = archspec.build(net, "torch", seed=0).state_dict()
    older = {name.replace("convs.", "conv").replace("body.", "stem."): tensor for name, tensor in state.items()}
    torch.save(older, tmp_path / "older.pt")
    done = cli("convert", tmp_path / "older.pt", tmp_path / "new.safetensors", "--spec", PATHS,
               "--map", "stem.=body.", *(f"--map=layer1.*.conv{i}.=layer1.*.convs.{i}." for i in range(3)))  # fmt: skip
    assert done.exit_code == 0, done.output
    from safetensors.torch import load_file

    found = load_file(tmp_path / "new.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)

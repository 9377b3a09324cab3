"""The ONNX backend: every operation against the NumPy reference and whole nets against PyTorch, through onnxruntime."""

from pathlib import Path

import numpy as np
import pytest

import archspec
import reference
import zoo_nets
from archspec.files import write_folder
from archspec.ops import OPS
from comparing import Statistics, batch_norm_as, close, tables_of_windows
from converting import EVERYTHING, smaller
from operation_nets import CONFUSING, IDENTITY_MAPPINGS, SOMETIMES, TEXTS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx.inliner")
runtime = pytest.importorskip("onnxruntime")
from archspec_onnx.backend import OnnxBackend  # noqa: E402
from archspec_onnx.model import make_model  # noqa: E402
from archspec_onnx.operations import OPERATIONS  # noqa: E402


def answers(model, x, names=("logits",)):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(names, {"images": x.astype(np.float32)})
    return found[0] if len(found) == 1 else zoo_nets.flat(dict(zip(names, found, strict=True)))


def random_weights(net, random):
    weights = {}
    for name, shape in net.tensor_shapes().items():
        weights[name] = random.normal(size=shape)
        if name.endswith("running_var"):
            weights[name] = 0.5 + np.abs(weights[name])
        elif name.endswith("num_batches_tracked"):
            weights[name] = np.zeros((), np.int64)
    tables = {name: table.reshape(weights[name].shape) for name, table in tables_of_windows(net).items()}
    return weights | tables


def check(net, batch=3):
    """A net's file against the reference in evaluation."""
    random = np.random.default_rng(0)
    weights = random_weights(net, random)
    x = random.normal(size=(batch, *net.input_shape)).astype(np.float32)
    norms = [row.name for row in net.modules() if row.op == "batch_norm"]
    statistics = Statistics()
    statistics.running = [(weights[f"{n}.running_mean"], weights[f"{n}.running_var"]) for n in norms]
    with batch_norm_as(statistics.evaluate):
        expected, _ = reference.run(net.root, [x.astype(np.float64)], weights)
    close(answers(make_model(net, weights), x), expected, 1e-4)


@pytest.mark.parametrize(("kind", "text"), TEXTS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(TEXTS)])
def test_operation_equals_the_reference(kind, text, spec):
    head = "head: [flatten, {fc: {linear: {out: classes}}}]"
    check(archspec.load(spec(f"input: {{channels: 4, size: [7, 9]}}\nclasses: 5\nstem:\n  {text}\n{head}\n")))


def test_the_shortcuts_and_orders_of_identity_mappings_equal_the_reference(spec):
    check(archspec.load(spec(IDENTITY_MAPPINGS)))


@pytest.mark.parametrize("text", [SOMETIMES, CONFUSING])
def test_steps_that_are_absent_and_names_that_confuse(text, spec):
    check(archspec.load(spec(text)))


def test_steps_may_be_called_what_inputs_and_outputs_are_called(spec):
    stem = (
        "stem: [{logits: {conv: {out: 4, kernel: 1}}}, {images: relu}, {more: {add: {}, from: [logits, images]}}]"
    )
    check(archspec.load(spec(f"input: {{channels: 3, size: 4}}\nclasses: 4\n{stem}\nhead: [global_avg_pool]\n")))
    check(archspec.load(spec("input: {channels: 3, size: 1}\nclasses: 3\nhead: [flatten, identity]\n")))


@pytest.mark.parametrize("name", ["logits", "images", "token"])
def test_a_tensor_may_be_called_what_an_input_or_output_is_called_and_is_found_again(name, spec, tmp_path):
    from archspec.api import read_weights

    tensor = f"{name}: {{parameter: {{shape: [4, 4, 4]}}}}"
    stem = f"stem: [c: {{conv: {{out: 4, kernel: 1}}}}, {tensor}, s: {{add: {{}}, from: [c, {name}]}}]"
    text = f"input: {{channels: 3, size: 4}}\nclasses: 4\n{stem}\nhead: [global_avg_pool]\n"
    net = archspec.load(spec(text + ("outputs: {token: global_avg_pool}\n" if name == "token" else "")))
    random = np.random.default_rng(0)
    weights = random_weights(net, random)
    made = make_model(net, weights)
    x = random.normal(size=(2, *net.input_shape)).astype(np.float32)
    expected, *_ = reference.run_results(net.root, [x.astype(np.float64)], weights)
    close(answers(made, x, [made.graph.output[0].name]), expected[0], 1e-4)
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    read = read_weights(net, tmp_path / "net.onnx")
    assert read.keys() == weights.keys()
    np.testing.assert_allclose(read[name], weights[name], rtol=1e-6)


def test_every_operation_is_there():
    assert set(OPERATIONS) == set(OPS) == OnnxBackend.supported


@pytest.mark.parametrize("name", [*zoo_nets.NETS, EVERYTHING], ids=lambda name: Path(name).stem)
def test_answers_are_pytorchs(name, tmp_path):
    torch = pytest.importorskip("torch")
    from deterministic import fill

    net = smaller(name)
    model = fill(archspec.build(net, "torch")).float()
    torch.save(model.state_dict(), tmp_path / "w.pt")
    made = archspec.build(net, "onnx", weights=tmp_path / "w.pt")
    x = np.random.default_rng(0).normal(size=(2, *net.input_shape)).astype(np.float32)
    with torch.inference_mode():
        expected = zoo_nets.flat(model(torch.from_numpy(x)))
    found = answers(made, x, sorted(output.name for output in made.graph.output)).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def named_nodes(model, nodes=None, prefix=""):
    """The dotted names of all nodes, those in functions at each place, without their constants."""
    functions = {function.name: function for function in model.functions}
    for node in model.graph.node if nodes is None else nodes:
        if node.domain == "archspec":
            yield from named_nodes(model, functions[node.op_type].node, f"{prefix}{node.name}.")
        elif node.op_type != "Constant":
            yield f"{prefix}{node.name}"


NESTED = """input: {channels: 4, size: 8}
classes: 4
blocks:
  inner: {args: {width: int}, chain: [{conv: {out: width, kernel: 3}}, norm, relu]}
  outer:
    args: {width: int}
    body: [{a: {inner: {width: width}}}, {b: {inner: {width: width}}}, {c: {add: {}}, from: [b, input]}]
stem: [{input1: {outer: {width: 4}}}, {two: {outer: {width: 4}}}, {once: {inner: {width: 8}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def test_blocks_that_repeat_are_functions_that_say_them_once(spec):
    net = archspec.load(spec(NESTED))
    weights = random_weights(net, np.random.default_rng(0))
    made = make_model(net, weights)
    kinds = [(node.name, node.op_type, node.domain) for node in made.graph.node]
    assert kinds[:2] == [("input1", "Outer", "archspec"), ("two", "Outer", "archspec")]
    functions = {function.name: [node.op_type for node in function.node] for function in made.functions}
    assert functions == {"Inner": ["Conv", "BatchNormalization", "Relu"], "Outer": ["Inner", "Inner", "Sum"]}
    assert "input1.a.0.weight" in made.graph.node[0].input
    flat = onnx.inliner.inline_local_functions(made)
    assert not flat.functions
    x = np.random.default_rng(1).normal(size=(2, *net.input_shape)).astype(np.float32)
    np.testing.assert_array_equal(answers(made, x), answers(flat, x))
    check(net)


def test_a_net_that_repeats_nothing_has_no_functions(spec):
    stem = "stem: [{conv: {out: 4, kernel: 1}}]"
    net = archspec.load(spec(f"input: {{channels: 3, size: 4}}\nclasses: 4\n{stem}\nhead: [global_avg_pool]\n"))
    made = make_model(net, random_weights(net, np.random.default_rng(0)))
    assert (len(made.functions), [o.domain for o in made.opset_import]) == (0, [""])


def test_a_built_file_says_what_it_is(cli, tmp_path):
    torch = pytest.importorskip("torch")
    net = archspec.load("digits_resnet", set={"n": 2})
    model = archspec.build(net, "torch").eval()
    torch.save(model.state_dict(), tmp_path / "w.pt")
    done = cli("build", "digits_resnet", "--set", "n=2", "--backend", "onnx", "--weights", "w.pt", "--out", "built")
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "built").iterdir() if p.name[0] != ".") == [
        "README.md", "model.onnx", "requirements.txt", "spec.yaml"]  # fmt: skip
    found = onnx.load(tmp_path / "built" / "model.onnx")
    onnx.checker.check_model(found, full_check=True)
    assert {p.key: p.value for p in found.metadata_props} == {"spec": net.name, "fingerprint": net.fingerprint}
    assert {o.domain: o.version for o in found.opset_import} == {"": 21, "archspec": 1}
    names = {name.partition("/")[0] for name in named_nodes(found)}
    assert names == {row.name for row in net.modules() if OPERATIONS[row.op] is not OPERATIONS["identity"]}
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in found.graph.initializer if "/" not in t.name}
    kept = {k: t for k, t in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert tensors.keys() == kept.keys()
    assert all(np.array_equal(tensors[name], tensor.numpy()) for name, tensor in kept.items())
    content = (tmp_path / "built" / "model.onnx").read_bytes()
    for batch in (1, 5):
        x = torch.randn(batch, *net.input_shape)
        with torch.inference_mode():
            np.testing.assert_allclose(answers(content, x.numpy()), model(x).numpy(), rtol=1e-4, atol=1e-5)
    again = archspec.emit(net, "onnx", weights=tmp_path / "w.pt")
    assert again["model.onnx"] == content, "the same weights give the same file"
    write_folder(tmp_path / "built", again)


def test_what_is_not_offered_is_said(cli, tmp_path):
    done = cli("build", "digits_resnet", "--backend", "onnx", "--out", "built")
    assert done.exit_code == 2
    assert "an ONNX file holds the weights of its net, and none are given\n  help: give --weights" in done.output
    assert not (tmp_path / "built").exists()
    done = cli("train", "digits_resnet", "--backend", "onnx")
    assert (done.exit_code, "`onnx` does not train" in done.output) == (1, True)
    net = archspec.load("digits_resnet", set={"n": 1})
    large = {name: np.full(shape, 1e300) for name, shape in net.tensor_shapes().items()}
    with pytest.raises(archspec.WeightsError, match="does not fit into float32"):
        make_model(net, large)

"""ONNX files become specs whose nets answer as they do, or are refused with one message."""

import re
import warnings

import numpy as np
import pytest

import archspec

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def numbers(net):
    """Weights with which images matter to the answers."""
    drawn = np.random.default_rng(0)
    found = {}
    for name, shape in net.tensor_shapes().items():
        array = drawn.standard_normal(shape).astype(np.float32)
        if len(shape) > 1:
            array *= (2 / np.prod(shape[1:])) ** 0.5
        else:
            array = 1 + 0.1 * np.abs(array) if name.endswith(("weight", "running_var")) else 0.05 * array
        found[name] = np.zeros(shape, np.int64) if name.endswith("num_batches_tracked") else array
    return found


def exported(net, path):
    from archspec_onnx.backend import OnnxBackend

    path.write_bytes(OnnxBackend().build(net, seed=0, weights=numbers(net)).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("cifar_resnet", {}),
        ("mobilenet_v2", {"input.size": 32, "classes": 10}),
        ("densenet121", {"layers": [2, 3, 2, 1], "input.size": 32, "classes": 10}),
    ],
)
def test_what_archspec_exports_is_imported_again(name, given, tmp_path):
    net = archspec.load(name, set=given)
    found = archspec.import_model(str(exported(net, tmp_path / f"{name}.onnx")))
    assert found.network.tensor_shapes() == net.tensor_shapes()
    assert found.network.cost.macs == net.cost.macs
    assert len(found.spec.splitlines()) < 70
    assert all(np.array_equal(found.weights[key], array) for key, array in numbers(net).items())


def file_of(path, nodes, tensors, size=(3, 8, 8), batch="N", opset=20, kind=TensorProto.FLOAT):
    images = helper.make_tensor_value_info("images", kind, [batch, *size])
    answers = helper.make_tensor_value_info("answers", kind, ["n", "k"])
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "net", [images], [answers], constants)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9).SerializeToString()
    )
    return path


@pytest.fixture
def folded(tmp_path):
    """What PyTorch writes: paths in the names of nodes, normalizations folded into convolutions, and one image a batch."""
    drawn = np.random.default_rng(0)
    tensors = {
        "onnx::Conv_10": drawn.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "onnx::Conv_11": drawn.standard_normal(4).astype(np.float32),
        "fc.weight": drawn.standard_normal((5, 4)).astype(np.float32),
        "fc.bias": drawn.standard_normal(5).astype(np.float32),
    }
    nodes = [
        helper.make_node(
            "Conv", ["images", "onnx::Conv_10", "onnx::Conv_11"], ["a"], "/stem/conv/Conv", pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["a"], ["b"], "/stem/act/Relu"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], "/pool/GlobalAveragePool"),
        helper.make_node("Flatten", ["c"], ["d"], "/Flatten", axis=1),
        helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["answers"], "/fc/Gemm", transB=1),
    ]
    return file_of(tmp_path / "folded.onnx", nodes, tensors, batch=1)


def test_a_folded_normalization_is_a_convolution_with_bias(folded):
    found = archspec.import_model(str(folded))
    assert "conv: {out: 4, kernel: 3, bias: true}" in found.spec
    assert sorted(found.weights) == ["fc.bias", "fc.weight", "stem.conv.bias", "stem.conv.weight"]


def test_the_command_writes_a_spec_and_the_files_weights(cli, folded, tmp_path):
    spec, weights = tmp_path / "net.yaml", tmp_path / "net.safetensors"
    done = cli("import", folded, "--out", spec, "--weights-out", weights)
    assert done.exit_code == 0, done.output
    assert "ONNX Runtime's answers on 2 images" in done.stderr
    assert cli("build", spec, "--backend", "onnx", "--weights", weights, "--out", tmp_path / "again").exit_code == 0


def test_what_a_file_has_and_a_spec_cannot_say_is_told_at_once(cli, tmp_path):
    nodes = [
        helper.make_node("CumSum", ["images", "axis"], ["a"], "sum"),
        helper.make_node("LpPool", ["images"], ["b"], "pool", kernel_shape=[2, 2]),
        helper.make_node("Sub", ["a", "b"], ["answers"], "both"),
    ]
    path = file_of(tmp_path / "odd.onnx", nodes, {"axis": np.int64(1)})
    done = cli("import", path)
    assert done.exit_code == 1
    assert "2 operations" in done.stderr
    assert "CumSum: archspec has no such operation (at `sum`)" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x08\x0a\x12\xff", "no complete ONNX file"),
        (None, "there is no file"),
        (b"", "broken.onnx is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n", "a pointer of Git LFS"),
    ],
)
def test_files_that_are_none_are_one_message(cli, tmp_path, content, said):
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    done = cli("import", path)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("numbers", "given", "said"),
    [
        (np.float16, {"kind": TensorProto.FLOAT16}, "`images` has numbers of float16"),
        (np.float32, {"opset": 99}, r"the file has opset 99, and the installed ONNX Runtime has up to \d+"),
        (np.float32, {"size": ("c", 8, "w")}, r"has the sizes \(N, c, 8, w\)"),
        ("nan", {}, "fc.weight: numbers that are not finite"),
    ],
)
def test_files_that_cannot_be_compared_say_why(cli, tmp_path, numbers, given, said):
    weights = np.full((5, 3), np.nan, np.float32) if numbers == "nan" else np.ones((5, 3), numbers)
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["a"]),
        helper.make_node("Flatten", ["a"], ["b"], axis=1),
        helper.make_node("Gemm", ["b", "fc.weight"], ["answers"], transB=1),
    ]
    done = cli("import", file_of(tmp_path / "net.onnx", nodes, {"fc.weight": weights}, **given))
    assert done.exit_code == 1
    assert re.search(said, done.stderr), done.stderr
    assert re.search(r"^error: [^\n]+\n  help: [^\n]+\n$", done.stderr, re.M), done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.graph.ClearField("output"),
        lambda model: model.graph.initializer[0].ClearField("dims"),
        lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 99),
    ],
)
def test_a_file_that_has_something_else_than_it_says_is_one_message(cli, tmp_path, change):
    nodes = [helper.make_node("Mul", ["images", "factor"], ["answers"])]
    path = file_of(tmp_path / "net.onnx", nodes, {"factor": np.ones((3, 1, 1), np.float32)})
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    done = cli("import", path)
    assert (done.exit_code, "Traceback" in done.output) == (1, False)
    assert re.search(
        r"^error: \S+net.onnx (is no complete ONNX file|cannot be used): [^\n]+\n  help: ", done.stderr, re.M
    )


def test_an_onnx_file_takes_no_arguments(cli, folded):
    done = cli("import", folded, "--arg", "width=3")
    assert done.exit_code == 2
    assert "says itself what it takes" in done.stderr


def without_names(path, target):
    """A file whose nodes, values and tensors are only numbered, as optimizers leave it."""
    model = onnx.load(path)
    names = {"input": "input"}
    kept = {one.name for one in (*model.graph.input, *model.graph.output)}
    for node in model.graph.node:
        node.name = ""
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                if name and name not in kept:
                    values[place] = names.setdefault(name, f"v{len(names)}")
    for tensor in model.graph.initializer:
        tensor.name = names.setdefault(tensor.name, f"v{len(names)}")
    del model.graph.value_info[:]
    onnx.save(model, target)
    return target


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A residual net as PyTorch's tracing exporter writes it, with its normalizations."""
    torch = pytest.importorskip("torch")
    import importing_nets

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            importing_nets.Net().eval(), (torch.zeros(2, 3, 8, 8),), path, dynamo=False, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, input_names=["input"],
        )  # fmt: skip
    return path


def test_blocks_of_a_file_without_names_are_mined_and_are_the_librarys(traced, tmp_path):
    found = archspec.import_model(str(without_names(traced, tmp_path / "nameless.onnx")))
    assert "shortcut: projection" in found.spec
    assert "- {name: layer1, block: basic, repeat: 2, width: 4}" in found.spec
    assert "- {name: layer2, block: basic, repeat: 1, width: 8, stride: 2}" in found.spec
    assert any("blocks are mined" in line for line in found.report)
    assert {"layer1.0.conv1.weight", "layer2.0.downsample.1.running_var"} <= found.weights.keys()


def test_names_of_a_file_are_kept_where_it_has_them(traced):
    found = archspec.import_model(str(traced))
    assert "layers.2.skip.0.weight" in found.weights
    assert not any("mined" in line for line in found.report)


def test_a_sequence_without_names_stays_one(tmp_path):
    drawn = np.random.default_rng(0)
    tensors = {f"w{i}": drawn.standard_normal((4, 3 if i == 0 else 4, 3, 3)).astype(np.float32) for i in range(3)}
    tensors["fc"] = drawn.standard_normal((4, 5)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["images" if i == 0 else f"v{i}", f"w{i}"], [f"v{i + 1}"]) for i in range(3)]
    nodes += [helper.make_node("GlobalAveragePool", ["v3"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    nodes += [helper.make_node("MatMul", ["f", "fc"], ["answers"])]
    found = archspec.import_model(str(file_of(tmp_path / "plain.onnx", nodes, tensors)))
    assert list(found.weights) == ["conv.weight", "conv2.weight", "conv3.weight", "linear.weight"]

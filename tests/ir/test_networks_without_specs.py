"""Networks that no spec made: built in Python or read as text, they are verified, costed, analyzed and emitted as others."""

import importlib.util
import sys

import pytest

import archspec
from archspec.analysis.activations import kept_for_gradient
from archspec.analysis.diff import diff
from archspec.analysis.receptive_field import receptive_field
from archspec.analysis.response_layers import responding_layers
from archspec.analysis.sizes import misfit
from archspec.analysis.summary import table_rows
from archspec.ir import Chain, GraphBuilder, Output, Run
from archspec.ir.parse_text import parse_text
from archspec.ir.text import to_text
from archspec.ir.verify import verify
from archspec.ops import Add, BatchNorm, Conv, GlobalAvgPool, Image, Linear, Relu, ShapeError

SPEC = """
name: tiny
input: {channels: 3, size: 8}
classes: 5
stem:
  - conv1: {conv: {out: 8, kernel: 3}}
stages: [{name: layer1, block: residual, repeat: 2, width: 8}]
head: [{pool: global_avg_pool}, {fc: {linear: {out: classes}}}]
blocks:
  residual:
    args: {width: int}
    body: [{conv: {conv: {out: width, kernel: 3}}}, {bn: batch_norm}, {add: {add: {}, from: [bn, input]}}, {relu: relu}]
"""


def tiny():
    """The net of the spec, built in Python."""
    conv = Conv(out=8, kernel=(3, 3), padding=(1, 1))
    block = GraphBuilder("residual", {"input": Image((8, 8, 8))}, {"width": 8})
    block.add("conv", conv, "input")
    block.add("bn", BatchNorm(), "conv")
    block.add("add", Add(), "bn", "input")
    block.add("relu", Relu(), "add")
    net = GraphBuilder("tiny", {"input": Image((3, 8, 8))})
    net.add("conv1", conv, "input")
    net.add("layer1", Chain((Run(block.block("relu"), 2),)), "conv1")
    net.add("pool", GlobalAvgPool(), "layer1")
    net.add("fc", Linear(out=5), "pool")
    return archspec.Network(net.block("fc"), classes=5)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "tiny.yaml"
    path.write_text("archspec: 1" + SPEC)
    return archspec.load(path)


def test_a_net_of_python_is_the_net_of_a_spec(program):
    net = tiny()
    assert verify(net.root) == []
    assert (net.fingerprint, net.cost, net.name, net.classes) == (program.fingerprint, program.cost, "tiny", 5)
    assert net.tensor_shapes() == program.tensor_shapes()
    assert isinstance(program, archspec.Network)
    assert not isinstance(net, archspec.Program)


def test_every_analysis_takes_a_net_of_python(program):
    net = tiny()
    for analysis in (kept_for_gradient, receptive_field, responding_layers, to_text):
        assert analysis(net) == analysis(program), analysis
    assert list(table_rows(net, 2)) == list(table_rows(program, 2))
    assert misfit(net, (16, 16)) is None
    assert diff(net, program).empty


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_net_of_python_is_emitted_without_a_spec(program, backend, tmp_path, monkeypatch):
    files = archspec.emit(tiny(), backend=backend)
    beside = {"layers.py"} if backend == "flax" else set()
    assert set(files) == {"model.py", "README.md", "requirements.txt"} | beside
    assert "spec.yaml" not in files["README.md"]
    assert files["model.py"].count("class Residual(") == 1
    assert "range(2)" in files["model.py"]


def test_a_net_of_text_is_built_and_written_for_onnx(tmp_path):
    torch = pytest.importorskip("torch")
    net = archspec.Network(parse_text(to_text(archspec.load("resnet18"))), classes=1000)
    model = archspec.build(net, backend="torch")
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == net.tensor_shapes()
    small = archspec.Network(parse_text(to_text(tiny())), classes=5)
    model = archspec.build(small, backend="torch").eval()
    torch.save(model.state_dict(), tmp_path / "tiny.pt")
    assert {"model.onnx", "README.md", "requirements.txt"} == set(
        archspec.emit(small, backend="onnx", weights=tmp_path / "tiny.pt")
    )


def test_named_outputs_are_built_in_python():
    torch = pytest.importorskip("torch")
    graph = GraphBuilder("two", {"input": Image((3, 8, 8))})
    graph.add("pool", GlobalAvgPool(), "input")
    graph.add("left", Linear(out=2), "pool")
    graph.add("right", Linear(out=3), "pool")
    outputs = [Output(name, name, graph.type(name)) for name in ("left", "right")]
    net = archspec.Network(graph.block("left", outputs=outputs))
    assert verify(net.root) == []
    found = archspec.build(net, backend="torch")(torch.zeros(1, 3, 8, 8))
    assert {name: tuple(value.shape) for name, value in found.items()} == {"left": (1, 2), "right": (1, 3)}


def test_a_step_that_does_not_fit_is_refused_where_it_is_added():
    graph = GraphBuilder("net", {"input": Image((3, 8, 8))})
    graph.add("pool", GlobalAvgPool(), "input")
    with pytest.raises(ValueError, match="no value `conv1`"):
        graph.add("relu", Relu(), "conv1")
    with pytest.raises(ValueError, match="given twice"):
        graph.add("pool", Relu(), "input")
    with pytest.raises(ShapeError):
        graph.add("sum", Add(), "pool", "input")
    with pytest.raises(ShapeError):
        graph.add("sum", Add())


@pytest.mark.parametrize("name", ["vit_b_16", "densenet121", "swin_t", "googlenet", "cifar_highway"])
def test_a_net_of_the_zoo_that_is_read_as_text_has_the_same_tensors_in_source(name):
    """Arguments, conditions and positions of the spec are gone: what differs is in the parameters of classes."""
    torch = pytest.importorskip("torch")
    program = archspec.load(name)
    net = archspec.Network(parse_text(to_text(program)), program.classes)
    source = archspec.emit(net, backend="torch")["model.py"]
    spec = importlib.util.spec_from_loader(f"read_{name}", None)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    exec(compile(source, spec.name, "exec"), module.__dict__)
    with torch.device("meta"):
        model = getattr(module, net.class_name)()
    del sys.modules[spec.name]
    assert {key: tuple(t.shape) for key, t in model.state_dict().items()} == program.tensor_shapes()

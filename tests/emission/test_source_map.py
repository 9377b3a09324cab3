"""Which steps the lines of emitted models are of."""

import ast

import pytest

import archspec
from archspec.backends import find_mapper

NETS = (
    "resnet18",
    "densenet121",
    "mobilenet_v2",
    "convnext_tiny",
    "vit_b_16",
    "inception_v3",
    "resnet50_fpn",
    "repvgg",
)


@pytest.fixture(scope="module", params=NETS)
def net(request):
    return archspec.load(request.param)


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_every_layer_is_mapped_to_steps_and_every_class_to_those_that_make_it(net, backend):
    found = find_mapper(backend).source_map(net)
    lines = found.text.splitlines()
    classes = {lines[first].split()[1].split("(")[0] for first, _, _ in found.classes}
    tree = [node for node in ast.parse(found.text).body if isinstance(node, ast.ClassDef)]
    assert net.class_name in classes
    assert all(
        spans for first, _, spans in found.classes if not lines[first].startswith(f"class {net.class_name}(")
    )
    for node in tree:
        if node.name not in classes:  # a helper
            continue
        init = next(f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__")
        for statement in init.body:
            layer = ast.unparse(statement)
            if layer.startswith("self.") and ("nn.Conv2d(" in layer or "nnx.Conv(" in layer or "Linear(" in layer):
                assert statement.lineno - 1 in found.lines, f"{net.name}, {backend}: {layer}"
    assert found.text == archspec.emit(net, backend)["model.py"]


def test_a_step_of_the_spec_is_where_the_spec_writes_it():
    net = archspec.load("resnet18")
    found = find_mapper("torch").source_map(net)
    lines = found.text.splitlines()
    of = {
        lines[line].strip(): [span.source.line(span.line) for span in spans] for line, spans in found.lines.items()
    }
    assert of["x = self.maxpool(x)"] == ["  - maxpool: {max_pool: {kernel: 3, stride: 2, padding: 1}}"]
    _, last, spans = next(each for each in found.classes if "class BasicBlock" in lines[each[0]])
    assert [span.source.line(span.line).split(",")[0].strip() for span in spans] == [
        f"- {{name: layer{n}" for n in (1, 2, 3, 4)
    ]
    assert lines[last].strip() == "return out"


def test_each_line_of_a_chain_is_of_the_row_that_it_comes_from_and_of_the_chain():
    net = archspec.load("mobilenet_v2")
    for backend in ("torch", "flax"):
        found = find_mapper(backend).source_map(net)
        lines = found.text.splitlines()
        line = next(
            number for number, text in enumerate(lines) if text.strip().startswith("InvertedResidual(64, 96")
        )
        chain, row = sorted(set(found.lines[line]), key=lambda span: span.line)
        assert chain.source.line(chain.line).strip().startswith("- conv_norm_act"), "where the chain begins"
        assert row.source.line(row.line)[row.column : row.end_column] == "[6, 96, 3, 1]"


def test_nodes_of_onnx_are_of_their_step_and_those_around_it():
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    net = archspec.load("resnet18")
    found = find_mapper("onnx").source_map(net)
    lines = found.text.splitlines()
    named = {lines[line].strip().split("]")[0].strip('["'): spans for line, spans in found.lines.items()}
    assert {row.name for row in net.modules()} <= named.keys()
    outer, inner = named["layer2.0.conv1"]
    assert outer.source.line(outer.line).strip().startswith("- {name: layer2")
    assert inner.source.library

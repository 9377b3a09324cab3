"""Blocks of several inputs and outputs, in every backend: what the reference gives, whatever their names are."""

import numpy as np
import pytest

import archspec
import reference
from archspec.ir.parse_text import parse_text
from archspec.ir.text import to_text
from archspec.ir.verify import verify
from comparing import Statistics, batch_norm_as, check, close
from operation_nets import BACKENDS

HEAD = """
input: {size: 12}
stem:
  - body: [{conv: {out: 4, kernel: 3}}, relu, {conv: {out: 6, kernel: 3, stride: 2}}, norm, {conv: {out: 8, kernel: 3}}]
"""
PYRAMID = f"""{HEAD}
head:
  - {{fpn: {{pyramid: {{width: 5}}}}, from: [body.1, body.3, body]}}
outputs: {{0: fpn.layers.0, 1: fpn.layers.1, 2: fpn.layers.2, pool: fpn.pool}}
blocks:
  pyramid:
    args: {{width: int}}
    inputs: [c1, c2, c3]
    body:
      - {{inner.2: {{conv: {{out: width, kernel: 1}}}}, from: c3}}
      - {{up: {{upsample: {{}}}}, from: [inner.2, c2]}}
      - {{inner.1: {{conv: {{out: width, kernel: 1}}}}, from: c2}}
      - {{m2: {{add: {{}}}}, from: [inner.1, up]}}
      - {{up2: {{upsample: {{}}}}, from: [m2, c1]}}
      - {{inner.0: {{conv: {{out: width, kernel: 1}}}}, from: c1}}
      - {{m1: {{add: {{}}}}, from: [inner.0, up2]}}
      - {{layers.0: {{conv: {{out: c1_channels, kernel: 3}}}}, from: m1}}
      - {{layers.1: {{conv: {{out: c2_channels, kernel: 3}}}}, from: m2}}
      - {{layers.2: {{conv: {{out: in_channels + width, kernel: 3}}}}, from: inner.2}}
      - pool: {{max_pool: {{kernel: 1, stride: 2}}}}
    outputs: [layers.0, layers.2, layers.1, pool]
"""

NAMES = f"""{HEAD}  - wide: {{conv: {{out: 8, kernel: 1}}}}
  - {{a: {{mixed: {{}}}}, from: [body.1, body.3, wide]}}
  - {{b: {{mixed: {{}}}}, from: [a, a.x, a.out]}}
head: [{{concat: {{}}, from: [b, b.x, b.out]}}, global_avg_pool, {{fc: {{linear: {{out: classes}}}}}}]
classes: 3
blocks:
  mixed:
    inputs: [torch, F, max]
    body:
      - {{self_: {{upsample: {{}}}}, from: [max, torch]}}
      - {{x: {{conv: {{out: torch_channels, kernel: 3}}}}, from: torch}}
      - {{out: {{upsample: {{}}}}, from: [F, x]}}
      - {{concat: {{}}, from: [self_, x, out]}}
      - {{y: {{conv: {{out: 4, kernel: 1}}}}}}
    outputs: [y, x, out]
"""

NETS = {"pyramid": PYRAMID, "names that lead astray": NAMES}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NETS)
def test_blocks_of_several_values_equal_the_reference(name, backend, spec):
    check(archspec.load(spec(NETS[name])), backend=backend)


@pytest.mark.parametrize("name", NETS)
def test_the_textual_form_has_blocks_of_several_values(name, spec):
    net = archspec.load(spec(NETS[name]))
    assert (verify(net.root), net.warnings) == ([], ())
    assert verify(parse_text(to_text(net))) == []


def test_outputs_come_by_their_own_names_and_in_order(spec):
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        model = archspec.build(archspec.load(spec(PYRAMID)), "torch")
        named = model(torch.zeros(2, 3, 12, 12))
    shapes = {name: tuple(value.shape[1:]) for name, value in named.items()}
    assert list(shapes.items()) == [("0", (4, 12, 12)), ("1", (6, 6, 6)), ("2", (9, 6, 6)), ("pool", (9, 3, 3))]


def test_an_onnx_file_gives_them(spec):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from archspec_onnx.model import make_model

    net = archspec.load(spec(PYRAMID))
    random = np.random.default_rng(0)
    weights = {key: random.normal(size=shape) for key, shape in net.parameter_shapes().items()}
    statistics = Statistics()
    weights |= {"body.3.running_mean": np.zeros(6), "body.3.running_var": np.ones(6)}
    statistics.running.append((np.zeros(6), np.ones(6)))
    x = random.normal(size=(2, *net.input_shape)).astype(np.float32)
    model = make_model(net, weights).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["0", "1", "2", "pool"]
    with batch_norm_as(statistics.evaluate):
        (_, *expected), _ = reference.run_results(net.root, [x.astype(np.float64)], weights)
    for found, wanted in zip(session.run(None, {"images": x}), expected, strict=True):
        close(found, wanted, 1e-4)

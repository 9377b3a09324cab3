"""Steps that apply the layers of another step again (`share`): parameters belong to one step, and are counted and kept once."""

import numpy as np
import pytest

import archspec
from archspec.analysis.diff import diff
from archspec.analysis.summary import table_rows
from archspec.ir import GraphBuilder
from archspec.ir.owners import owners
from archspec.ir.parse_text import parse_text
from archspec.ir.text import graph_text, to_text
from archspec.ir.verify import verify
from archspec.ops import Conv, Image
from comparing import check

NET = """
input: {channels: 3, size: 8}
norm: {group_norm: {groups: 4}}
stem:
  - p3: {conv: {out: 8, kernel: 3}}
  - p4: {conv: {out: 8, kernel: 3, stride: 2}}
  - {head3: {head: {width: 8}}, from: p3}
  - {head4: {share: head3}, from: p4}
  - {cls3: [{conv: {out: 8, kernel: 3, bias: true}}, norm, relu, {conv: {out: 5, kernel: 1}}], from: head3}
  - {cls4: {share: cls3}, from: head4}
  - {mix3: {conv: {out: 5, kernel: 1}}, from: cls3, init: {weight: 1}}
  - {mix4: {share: mix3}, from: cls4}
outputs: {three: mix3, four: mix4}
blocks:
  head:
    args: {width: int}
    body: [{conv: {conv: {out: width, kernel: 3}}}, {bn: norm}, act, {again: {share: conv}}, {add: {}, from: [again, input]}]
"""
TENSORS = {
    "p3.weight", "p4.weight", "head3.conv.weight", "head3.bn.weight", "head3.bn.bias", "cls3.0.weight", "cls3.0.bias",
    "cls3.1.weight", "cls3.1.bias", "cls3.3.weight", "mix3.weight",
}  # fmt: skip


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "net.yaml"
    path.write_text(f"archspec: 1\nname: shared\n{NET}")
    return archspec.load(path)


def test_shared_parameters_are_counted_once_and_named_by_their_owner(net):
    assert set(net.tensor_shapes()) == set(net.parameter_shapes()) == TENSORS
    conv, head, cls = 3 * 8 * 9 + 8 * 8 * 9, 8 * 8 * 9 + 16, 8 * 8 * 9 + 8 + 16 + 8 * 5
    assert net.cost.params == conv + head + cls + 25
    assert net.cost.params == sum(row.params for row in table_rows(net, 1))
    pixels3, pixels4 = 64, 16
    each = 2 * 8 * 8 * 9 + 8 * 8 * 9 + 8 * 5 + 25
    assert net.cost.macs == 3 * 8 * 9 * pixels3 + 8 * 8 * 9 * pixels4 + each * (pixels3 + pixels4)
    shared = {row.name: row.shared for row in net.modules() if row.shared}
    assert shared["head4.again"] == "head3.conv"
    assert shared["cls4.1"] == "cls3.1"
    assert shared == {name: owner for name, owner in owners(net.root).items() if name in shared}
    assert verify(net.root) == []


def test_emitted_models_apply_one_layer_again(net):
    for backend in ("torch", "flax"):
        source = archspec.emit(net, backend=backend)["model.py"]
        assert "head4 = self.head3(p4)" in source.replace(": Tensor", "").replace(": Array", "")
        assert "self.cls4" not in source
        assert "out = self.conv(out)" in source


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_values_and_gradients_are_those_of_the_reference(net, backend):
    pytest.importorskip({"torch": "torch", "flax": "flax"}[backend])
    check(net, backend=backend)


def test_onnx_has_each_weight_once(net, tmp_path):
    torch, onnx = pytest.importorskip("torch"), pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    model = archspec.build(net, backend="torch").eval()
    assert set(model.state_dict()) == TENSORS
    torch.save(model.state_dict(), tmp_path / "net.pt")
    made = onnx.load_from_string(archspec.emit(net, backend="onnx", weights=tmp_path / "net.pt")["model.onnx"])
    assert {t.name for t in made.graph.initializer} >= TENSORS
    images = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    found = ReferenceEvaluator(made).run(["three", "four"], {"images": images})
    for name, value in zip(("three", "four"), found, strict=True):
        expected = model(torch.from_numpy(images))[name].detach().numpy()
        np.testing.assert_allclose(value, expected, atol=1e-4 * np.abs(expected).max())


def test_running_statistics_are_shared_too(spec):
    torch = pytest.importorskip("torch")
    net = archspec.load(spec(NET.replace("group_norm: {groups: 4}", "batch_norm: {}")))
    model = archspec.build(net, backend="torch")
    assert set(model.state_dict()) == set(net.tensor_shapes())
    model(torch.zeros(2, 3, 8, 8))
    assert int(model.cls3[1].num_batches_tracked) == 2


def test_sharing_is_part_of_the_text_and_of_the_fingerprint(net, spec):
    text = to_text(net)
    assert " of head3 : 8x4x4 {" in text
    assert "] of mix3 : 5x4x4" in text
    root = parse_text(text)
    assert graph_text(net.name, root) == text
    assert verify(root) == []
    read = archspec.Network(root)
    assert (read.fingerprint, read.cost) == (net.fingerprint, net.cost)
    apart = archspec.load(spec(NET.replace("mix4: {share: mix3}", "mix4: {conv: {out: 5, kernel: 1}}")))
    assert apart.fingerprint != net.fingerprint
    assert ("params", net.cost.params, net.cost.params + 25) in diff(net, apart).costs
    assert verify(parse_text(text.replace("] of mix3", "] of p3"))) == [
        "shared.mix4 has other parameters than p3, whose it should have"
    ]
    assert "none before it" in verify(parse_text(text.replace("] of mix3", "] of input")))[0]


CONV3 = "{conv: {out: 4, kernel: 3}}"
PLACES = {
    "a chain, whose steps are values": (
        f"stem: [{{a: [{CONV3}, relu, {CONV3}]}}, {{b: {{share: a}}}}, {{add: {{}}, from: [b, b.1, a.0]}}]"),
    "three times": (
        f"stem: [{{a: {CONV3}}}, {{b: {{share: a}}}}, {{c: {{share: b}}}}, {{d: {{share: a}}, from: a}}, "
        "{add: {}, from: [c, d]}]"),
    "repeated steps": f'stem: [{{"l{{i}}": {CONV3}, repeat: 2}}, {{c: {{share: l0}}}}, {{d: {{share: l1}}}}]',
    "the blocks of a stage": (
        f"stages: [{{name: s, block: u, repeat: 3}}]\n"
        f"blocks: {{u: {{body: [{{a: {CONV3}}}, relu, {{b: {{share: a}}}}, {{add: {{}}, from: [b, input]}}]}}}}"),
    "a block with a shortcut": (
        "norm: {group_norm: {groups: 2}}\nshortcut: projection_all\ninit: {zero_last_norm: true}\n"
        "stem: [{a: {basic: {width: 4}}}, {b: {share: a}}]"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_layers_are_shared_wherever_they_stand(case, spec):
    torch = pytest.importorskip("torch")
    net = archspec.load(spec(f"input: {{channels: 4, size: 8}}\n{PLACES[case]}\n"))
    root = parse_text(to_text(net))
    assert (graph_text(net.name, root), verify(root)) == (to_text(net), [])
    with torch.device("meta"):
        model = archspec.build(net, backend="torch")
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == net.tensor_shapes()
    check(net, batch=2)


def test_parameters_that_a_step_in_use_has_are_trained(spec):
    """What the first step gives is taken by nothing; its weights are those of the second."""
    stem = "{one: {conv: {out: 4, kernel: 3}}}, {two: {share: one}, from: input}"
    assert [d.code for d in archspec.check(spec(STEM % stem))] == ["AS311"]
    assert "AS310" in [d.code for d in archspec.check(spec(STEM % f"{stem}, {{three: relu, from: input}}"))]


def test_the_summary_says_whose_layers_are_applied(net):
    told = {row.name: (row.what, row.params) for row in table_rows(net, 1)}
    assert told["head4"] == ("head width=8, layers of head3", 0)
    assert told["mix4"] == ("conv 1x1, layers of mix3", 0)


def test_layers_are_shared_in_python():
    graph = GraphBuilder("twice", {"input": Image((4, 8, 8))})
    graph.add("conv", Conv(out=4, kernel=(3, 3), padding=(1, 1)), "input")
    graph.add("again", Conv(out=4, kernel=(3, 3), padding=(1, 1)), "conv", owner="conv")
    net = archspec.Network(graph.block("again"))
    assert verify(net.root) == []
    assert net.cost.params == 4 * 4 * 9
    assert "self.conv(x)\n        x = self.conv(x)" in archspec.emit(net, backend="torch")["model.py"]


STEM = "input: {channels: 4, size: 8}\nclasses: 4\nstem: [%s]\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
CONV = "{one: {conv: {out: 4, kernel: 3}}}"
MISTAKES = {
    "a name that is misspelt": (f"{CONV}, {{two: {{share: onne}}}}", "AS306", "no step `onne`", "did you mean `one`?"),
    "a step after it": (f"{{two: {{share: one}}}}, {CONV}", "AS306", "no step `one` before this one", ""),
    "the input": ("{two: {share: input}}", "AS306", "no step `input` before", "name a step"),
    "an operation without parameters": (
        "{one: relu}, {two: {share: one}}", "AS305", "no layers with parameters", "by its own name"),
    "a learned tensor": (
        "{one: {parameter: {shape: [4, 8, 8]}}}, {two: {share: one}, from: []}", "AS305", "`from` names a value", ""),
    "other channels": (
        f"{CONV}, {{wide: {{conv: {{out: 8, kernel: 3}}}}}}, {{two: {{share: one}}}}",
        "AS404", "has a `weight` of 4x4x3x3", "same channels"),
    "a condition": (f"{CONV}, {{two: {{share: one}}, when: 1 > 2}}", "AS305", "takes no `when`", "a step for each use"),
    "a start": (f"{CONV}, {{two: {{share: one}}, init: {{weight: 0}}}}", "AS305", "takes no `init`", "whose layers they are"),
    "an owner that may be absent": (
        "{one: {conv: {out: 4, kernel: 3}}, when: 2 > 1}, {two: {share: one}}", "AS305", "`one` has a `when`", "without one"),
    "a list": (f"{CONV}, {{two: {{share: [one]}}}}", "AS305", "`share` names a step", "such as"),
    "in a chain": (
        f"{{all: [{CONV}, {{two: {{share: one}}}}]}}", "AS305", "a step of a chain shares no layers", "around the chain"),
    "a path": (f"{CONV}, {{convs.0: {{share: one}}}}", "AS106", "no place in a container", "one part"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_sharing_says_what_to_do(case, spec):
    steps, code, message, help_ = MISTAKES[case]
    found = [d for d in archspec.check(spec(STEM % steps)) if d.is_error]
    assert [d.code for d in found] == [code], found
    assert message in found[0].message
    assert help_ in (found[0].help or "")

"""The textual form of a network: read back it is the same network, and passes are tried on what is written in it."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archspec
from archspec.analysis.receptive_field import receptive_field
from archspec.ir.cost import block_cost
from archspec.ir.fingerprint import fingerprint
from archspec.ir.liveness import for_inference, training_only
from archspec.ir.owners import owners
from archspec.ir.parse_text import TextError, parse_text
from archspec.ir.text import graph_text, to_text
from archspec.ir.verify import verify
from archspec.loading import zoo
from drawn_nets import nested_nets, random_nets
from loops import tries
from operation_nets import TEXTS

GATED = """
net gated (input: 4x8x8) -> (10) {
  conv1 = conv(input) [out=8 kernel=3x3 stride=2x2 padding=1x1 bias=true] : 8x4x4
  layer1 = chain(conv1) : 8x4x4 {
    2 x residual [width=8](input) : 8x4x4 {
      conv = conv(input) [out=8 kernel=3x3 padding=1x1] : 8x4x4
      drop = conv : 8x4x4
      gate = gating [width=8](branch=drop, input) : 8x4x4 {
        weight = sigmoid(branch) : 8x4x4
        mul = mul(input, weight) : 8x4x4
        return mul
      }
      add = add(gate, input) : 8x4x4
      return add
    }
  }
  pool = global_avg_pool(layer1) [keep=false] : (8)
  fc = linear(pool) [out=10 bias=false] : (10)
  return fc
}
"""


@pytest.mark.parametrize("name", zoo.names())
def test_every_net_of_the_zoo_is_read_back(name):
    net = archspec.load(name)
    text = to_text(net)
    root = parse_text(text)
    assert (fingerprint(root), block_cost(root)) == (net.fingerprint, net.cost)
    assert graph_text(net.name, root) == text
    assert verify(root) == []


@settings(max_examples=tries(20, 300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(random_nets(), nested_nets()))
def test_random_nets_are_read_back(text, spec):
    path = spec(text)
    if any(d.is_error for d in archspec.check(path)):
        return
    net = archspec.load(path)
    written = to_text(net)
    root = parse_text(written)
    assert graph_text(net.name, root) == written
    assert (fingerprint(root), block_cost(root), verify(root)) == (net.fingerprint, net.cost, [])


TRAINED = """
net heads (input: 4x8x8) -> (10) {
  conv = conv(input) [out=8 kernel=3x3 padding=1x1 init.weight=normal(0.01)] : 8x8x8
  again = conv(conv) [out=8 kernel=3x3 padding=1x1] : 8x8x8
  more = conv(again) [out=8 kernel=3x3 padding=1x1] of again as shortcut : 8x8x8
  pool = global_avg_pool(more) : (8)
  fc = linear(pool) [out=10] : (10)
  pool2 = global_avg_pool(conv) : (8)
  aux = linear(pool2) [out=10 init.weight=0.0 init.bias=-1.5] : (10)
  return fc as out : (10)
  return aux as aux [loss_weight=0.4 train_only=true] : (10)
}
"""


def test_the_pass_for_inference_leaves_out_what_only_training_needs():
    root = parse_text(TRAINED)
    assert verify(root) == []
    assert training_only(root) == {"pool2", "aux"}
    left = graph_text("heads", for_inference(root))
    gone = [line.split(" [")[0].strip() for line in graph_text("heads", root).splitlines() if line not in left]
    assert gone == ["pool2 = global_avg_pool(conv)", "aux = linear(pool2)", "return aux as aux"]
    assert block_cost(root).params == 4 * 8 * 9 + 8 * 8 * 9 + 2 * 90
    assert block_cost(for_inference(root)).macs == block_cost(root).macs


def test_a_graph_in_text_keeps_starts_owners_and_shortcuts():
    root = parse_text(TRAINED)
    assert parse_text(graph_text("heads", root)).call("more").role == "shortcut"
    assert root.call("more").owner == "again"
    assert dict(root.call("aux").starts)["bias"].value == -1.5
    assert owners(root) == {"more": "again"}
    assert block_cost(root).depth == 4
    with pytest.raises(TextError, match="no value `elsewhere`"):
        parse_text(TRAINED.replace("of again", "of elsewhere"))
    with pytest.raises(TextError, match="starts from a number"):
        parse_text(TRAINED.replace("normal(0.01)", "normal"))


def test_costs_of_a_graph_in_text():
    cost = block_cost(parse_text(GATED))
    conv1, residual, fc = 4 * 8 * 9 + 8, 2 * 8 * 8 * 9, 8 * 10
    assert cost.params == conv1 + residual + fc
    assert cost.macs == (conv1 - 8) * 16 + residual * 16 + fc
    assert (cost.depth, cost.modules) == (4, 1 + 2 * 4 + 2)


def test_what_a_graph_sees_in_text():
    net = replace(archspec.load("resnet18"), root=parse_text(GATED))
    assert receptive_field(net) == (3 + 2 * 2 * 2, 3 + 2 * 2 * 2)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("residual [width=8]", "other [wide=9]", True),  # what a block is called is not wired
        ("      drop = conv : 8x4x4\n", "", True),  # nor is a step that is absent
        ("branch=drop", "branch=conv", True),
        ("add(gate, input)", "add(input, gate)", False),
        ("sigmoid", "tanh", False),
        ("2 x", "3 x", False),
    ],
)
def test_the_fingerprint_is_of_the_wired_graph(before, after, same):
    text = GATED.replace(before, after)
    text = text.replace("drop,", "conv,") if "drop = " not in text else text
    assert (fingerprint(parse_text(text)) == fingerprint(parse_text(GATED))) == same


def test_a_step_that_states_another_shape_is_a_violation():
    root = parse_text(GATED)
    wrong = replace(root.calls[0], shape=root.calls[0].input_shapes[0])
    assert verify(replace(root, calls=(wrong, *root.calls[1:]))) == [
        "gated.conv1 states (4, 8, 8) and gives (8, 4, 4)",
        "gated.layer1 states input shapes that its inputs do not have",
    ]


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("conv(input) [out=8 kernel=3x3 stride", "konv(input) [out=8 kernel=3x3 stride", 3, "no operation `konv`"),
        ("bias=true", "bias=3", 3, "expected true or false"),
        ("out=8 kernel=3x3 stride=2x2", "kernel=3x3 stride=2x2", 3, "out"),
        ("[keep=false]", "[kept=false]", 17, "takes no `kept`"),
        ("layer1 = chain", "layer2 = chain", 17, "no value `layer1`"),
        ("2 x residual", "two residual", 5, "a chain holds runs"),
        (") [out=10 bias=false] : (10)", ") [out=10 bias=false] : (11)", 18, "states (11), and gives (10)"),
        ("add = ", "conv = ", 13, "given twice"),
        ("  return fc\n}\n", "  return fc\n", 20, "ends within a block"),
        ("  return fc\n", "  return pool\n", 2, "states (10), and gives (8)"),
        ("net gated", "gated", 2, "begins with"),
    ],
)
def test_what_is_no_graph_is_told_with_its_line(before, after, line, message):
    assert before in GATED
    with pytest.raises(TextError) as caught:
        parse_text(GATED.replace(before, after))
    assert (caught.value.line, message in str(caught.value)) == (line, True), caught.value


def test_every_operation_is_read_back(spec):
    for _, text in TEXTS:
        head = "head: [flatten, {fc: {linear: {out: classes}}}]"
        net = archspec.load(spec(f"input: {{channels: 4, size: [7, 9]}}\nclasses: 5\nstem:\n  {text}\n{head}\n"))
        assert graph_text(net.name, parse_text(to_text(net))) == to_text(net), text


def test_products_of_attention_are_counted_apart(cli):
    told = cli("summary", "deit_small_patch16_224").output
    assert "multiply-adds  4,241,218,560" in told
    assert "attention      357,663,744" in told

"""Named outputs of a net: what a spec says of them, what every command tells of them, and what is wrong with them."""

import json

import pytest

import archspec
from archspec.ir.fingerprint import fingerprint
from archspec.ir.parse_text import TextError, parse_text
from archspec.ir.text import graph_text, to_text
from archspec.ir.verify import verify
from several_outputs import SEGMENTATION

NET = """
input: {channels: 3, size: 8}
classes: 4
stem:
  - trunk: [{conv: {out: 8, kernel: 3}}, norm, act, {again: {basic: {width: 8}}}]
  - place: {parameter: {shape: [8]}}
  - absent: {dropout: {rate: 0.1}}
    when: classes > 4
stages: [{name: layer1, block: basic, repeat: 2, width: 8}]
head: [global_avg_pool, {add: {}, from: [global_avg_pool, place]}, {fc: {linear: {out: classes}}}]
outputs: OUTPUTS
"""

WRONG = {  # what is written, the code, what it marks, and a word of message or help
    "unknown value": ("{out: fcc}", "AS306", "fcc", "did you mean `fc`?"),
    "unknown step of a chain": ("{out: fc, a: trunk.agian}", "AS306", "trunk.agian", "did you mean `trunk.again`?"),
    "a block of a stage": ("{out: fc, a: layer1.0}", "AS306", "layer1.0", "split `layer1` in two"),
    "a step of a block in a chain": (
        "{out: fc, a: trunk.again.conv1}",
        "AS306",
        "trunk.again.conv1",
        "name a step of `trunk` itself",
    ),
    "one value twice": ("{out: fc, a: {value: fc}}", "AS314", "fc", "`out` and `a` are outputs of one value"),
    "the end of a chain and the chain": (
        "{out: fc, a: trunk, b: trunk.again}",
        "AS314",
        "trunk.again",
        "one value",
    ),
    "the image": ("{out: fc, a: input}", "AS314", "input", "the image itself"),
    "the same for every sample": ("{out: fc, a: place}", "AS314", "place", "same for every sample"),
    "a step that is left out": ("{out: fc, a: absent}", "AS314", "absent", "`outputs: {a: null}`"),
    "nothing for inference": ("{out: {value: fc, train_only: true}}", "AS314", "outputs", "train_only"),
    "a weight of nothing": ("{out: {value: fc, loss_weight: 0.4}}", "AS314", "loss_weight", "weights nothing"),
    "a weight of zero": ("{out: fc, a: {value: trunk, loss_weight: 0}}", "AS104", "0", "1e-12"),
    "a word for a condition": ("{out: fc, a: {value: trunk, train_only: often}}", "AS202", "often", "often"),
    "unknown key": ("{out: fc, a: {value: trunk, weight: 0.4}}", "AS101", "weight", "loss_weight"),
    "no value": ("{out: fc, a: {loss_weight: 0.4}}", "AS102", "a", "add `value: fc`"),
    "a name of two words": ("{out: fc, 'an aux': trunk}", "AS106", "'an aux'", "letters"),
    "the name of the input": ("{images: fc}", "AS106", "images", "input"),
    "a list": ("[fc, trunk]", "AS103", "", "mapping"),
    "a list as value": ("{out: [fc]}", "AS103", "", "mapping"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_output_can_be_is_said_at_its_place(case, mistakes):
    written, code, marked, word = WRONG[case]
    (found,) = [d for d in mistakes(NET.replace("OUTPUTS", written)) if d.is_error]
    assert found.code == code
    assert found.span is not None
    line = found.span.source.line(found.span.line)
    assert marked in ("", line[found.span.column : found.span.end_column].strip(": "))
    assert word in f"{found.message} {found.help}"


def test_what_reaches_no_output_is_warned_of(mistakes):
    (found,) = mistakes(NET.replace("OUTPUTS", "{out: layer1}"))
    assert (found.code, "`fc`, with" in found.message) == ("AS310", True)
    net = "input: {size: 8}\nstem: [{trunk: [{conv: {out: 4, kernel: 3}}, relu, {conv: {out: 4, kernel: 3}}]}]\n"
    (found,) = mistakes(net + "outputs: {map: trunk.1}\n")
    assert (found.code, "`trunk.2` reaches no output" in found.message) == ("AS310", True)


def test_outputs_may_be_taken_from_a_net_that_is_extended(spec):
    net = archspec.load(spec("extends: resnet18\nhead: []\noutputs: {c3: layer2, c4: layer3, c5: layer4}\n"))
    assert [(o.name, tuple(o.shape)) for o in net.outputs] == [
        *(("c3", (128, 28, 28)), ("c4", (256, 14, 14)), ("c5", (512, 7, 7))),
    ]
    assert "train.py" not in archspec.emit(net, "torch"), "its recipe is that of a classifier"
    assert not net.warnings


def test_an_output_can_be_left_out_by_whoever_extends(spec):
    path = spec(SEGMENTATION)
    assert [o.name for o in archspec.load(path, set={"outputs.aux": None}).outputs] == ["out"]
    assert archspec.load(path, set={"outputs.aux.loss_weight": 0.3}).outputs[1].loss_weight == 0.3


def test_heads_of_training_count_with_what_they_hold(spec):
    net = archspec.load(spec(SEGMENTATION))
    plain = archspec.load(spec(SEGMENTATION.replace(", train_only: true", "")))
    heads = net.training_cost
    assert (heads.params, heads.modules) == (8 * 4 * 9 + 2 * 4 + 4 * 5, 5)
    assert net.cost.params == plain.cost.params
    assert net.cost.macs + heads.macs == plain.cost.macs
    assert {row.name.split(".")[0] for row in net.modules() if row.train_only} == {"aux_classifier", "aux"}
    assert archspec.load("resnet18").training_cost.params == 0
    assert net.fingerprint != plain.fingerprint


def test_the_textual_form_is_read_back(spec):
    net = archspec.load(spec(SEGMENTATION))
    text = to_text(net)
    assert (
        "  return out as out : 5x12x12\n  return aux as aux [loss_weight=0.4 train_only=true] : 5x12x12\n}" in text
    )
    assert "    return layer4, layer3\n" in text
    root = parse_text(text)
    assert (graph_text(net.name, root), fingerprint(root), verify(root)) == (text, net.fingerprint, [])
    for before, after, word in [
        ("return out as out : 5x12x12", "return out as out : 4x12x12", "states 4x12x12"),
        ("return layer4, layer3", "return layer4, layer5", "no step `layer5`"),
        ("loss_weight=0.4", "weight=0.4", "`loss_weight`"),
        ("input=backbone.layer3", "input=backbone.layer2", "no value `backbone.layer2`"),
    ]:
        assert before in text
        with pytest.raises(TextError, match=word):
            parse_text(text.replace(before, after))


def test_commands_tell_of_outputs(spec, cli):
    path = spec(SEGMENTATION)
    told = cli("summary", path).output
    assert "output         aux: 5x12x12, the value `aux`, 0.4 of its loss, only in training\n" in told
    assert "in training    11,088 multiply-adds more, of heads with 316 of the parameters\n" in told
    found = json.loads(cli("summary", path, "--format", "json").output)
    assert [output["name"] for output in found["outputs"]] == ["out", "aux"]
    assert found["training_cost"]["params"] == 316
    shown = cli("show", path, "--resolved").output
    assert archspec.load(spec(shown)).fingerprint == archspec.load(path).fingerprint
    other = spec(SEGMENTATION.replace("0.4", "0.3"), "other.yaml")
    assert "loss_weight 0.4 -> 0.3" in cli("diff", path, other).output


def test_nets_that_are_not_trained_say_so(spec, cli):
    trained = SEGMENTATION + "train: {recipe: cifar_resnet}\n"
    refused = cli("train", spec(trained))
    assert (refused.exit_code, "outputs that are no score of each class (`out`, `aux`)" in refused.output) == (
        1,
        True,
    )
    refused = cli("sweep", spec(trained), "--over", "train.batch_size=8,16")
    assert (refused.exit_code, "outputs that are no score of each class (`out`, `aux`)" in refused.output) == (
        1,
        True,
    )
    files = archspec.emit(archspec.load(spec(trained)), "flax")
    assert "train.py" not in files
    assert "`out`, `aux` (only in training). Training takes" in files["README.md"]


FEATURES = "input: {size: 8}\nstem: [{conv: {out: 8, kernel: 3}}]\n"


def test_classes_are_said_where_something_reads_them(spec, cli, mistakes):
    net = archspec.load(spec(FEATURES))
    assert (net.classes, net.output_shape) == (None, (8, 8, 8))
    assert cli("summary", spec(FEATURES)).output.startswith("net: 3x8x8 images\n")
    refused = cli("train", spec(FEATURES))
    assert (refused.exit_code, "does not say how many `classes`" in refused.output) == (1, True)
    (found,) = mistakes(FEATURES + "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n")
    assert (found.code, found.help) == ("AS202", "add `classes: 1000`, or however many there are, to the spec")
    (found,) = mistakes(FEATURES + "train: {recipe: cifar_resnet}\n")
    assert (found.code, found.message) == ("AS102", "`classes` is missing, which `train` needs")

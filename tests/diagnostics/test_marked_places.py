"""A mistake in a spec is said once, at its place, with all that is independent of it and nothing that follows from it."""

import pytest

from mistaken import NET, marked, stage

BLOCK = """
blocks:
  mine: {args: {width: int, stride: 1}, out: width, body: [{conv: {out: width, kernel: 3, stride: stride}}], merge: add}
stages: [{name: s, block: mine, width: 8}]
"""

CAPITAL = BLOCK.split("stages")[0].replace("mine", "Basic")


def with_steps(steps):
    return NET.replace("head: [", f"head: [{steps}, ")


def two_stages(first, second, name="t"):
    return stage(first).replace("8}]", f"8}}, {{name: {name}, block: {second}, width: 8}}]")


# text, and what is said of it: each code with the text that is marked
EXACTLY = {
    # a step with a mistake gives a value that nothing is known of
    "unknown operation": (NET.replace("global_avg_pool", "global_avgpool"), {"AS301": "global_avgpool"}),
    "unknown operation in a block": (NET + BLOCK.replace("{conv:", "{conf:"), {"AS301": "conf"}),
    "unknown operation of a named step": (with_steps("{a: {conf: {}}}, {add: {}, from: [a, input]}"), {"AS301": "conf"}),
    "unknown operation that is named later": (with_steps("tan, {add: {}, from: [tanh, input]}"), {"AS301": "tan"}),
    "two operations in a step": (with_steps("{a: relu, b: relu}, {add: {}, from: [a, b]}"), {"AS305": "{a: relu, b: relu}"}),
    "no step at all": (NET.replace("global_avg_pool", "42"), {"AS305": "42"}),
    "name of a step": (with_steps("{for: relu}, {add: {}, from: [for, for]}"), {"AS106": "for"}),
    "a later mistake": (NET.replace("global_avg_pool", "global_avgpool").replace("out: classes", "out: clases"),
                        {"AS301": "global_avgpool", "AS202": "clases"}),
    "a later range": (NET.replace("stem: [{", "stem: [{conf: {}}, {").replace("head: [", "head: [{b: {basic: {width: -8}}}, "),
                      {"AS301": "conf", "AS104": "-8"}),
    "steps that are no list": (with_steps("{add: {}, from: [a, a]}").replace("[{conv: {out: 8, kernel: 3}}]", "{a: relu}"),
                               {"AS103": "stem"}),
    "unknown merge": (NET + BLOCK.replace("merge: add", "merge: ad").replace("8}", "8, shortcut: projection}"), {"AS301": "ad"}),
    "merge of nothing": (NET + BLOCK.replace("merge: add", "merge: relu"), {"AS305": "relu"}),
    "unknown kind of argument": (NET + BLOCK.replace("width: int", "width: itn"), {"AS103": "itn"}),
    "condition of a shortcut": (stage(shortcut="mine") + "shortcuts: {mine: {when: stride >, body: [subsample]}}\n",
                                {"AS201": "stride >"}),
    # a name that is misspelt, and what is under it
    "operation above its arguments": (NET.replace("{fc: {linear:", "{fc: {liner:"), {"AS301": "liner"}),
    "operation without a name": (NET.replace("{fc: {linear: {out: classes}}}", "{liner: {out: classes}}"), {"AS301": "liner"}),
    "operation below a name": (NET.replace("{fc: {linear:", "{conv1: {liner:"), {"AS301": "liner"}),
    "role": (NET + "norm: {layer_nrm: {eps: 1.0e-6}}\n", {"AS301": "layer_nrm"}),
    "modifier": (with_steps("{relu: {}, form: input}"), {"AS305": "form"}),
    # a key that is misspelt is read as what was meant
    "key of the spec": (NET.replace("input:", "inptu:"), {"AS101": "inptu"}),
    "arguments of the spec": (NET.replace("out: 8", "out: n") + "agrs: {n: 8}\n", {"AS101": "agrs"}),
    "key of the input": (NET.replace("size:", "siez:"), {"AS101": "siez"}),
    "key of a stage": (stage().replace("block:", "blok:"), {"AS101": "blok"}),
    "key of a block": (NET + BLOCK.replace("args:", "agrs:"), {"AS101": "agrs"}),
    "key that was meant otherwise": (NET + "steps: 100\n", {"AS101": "steps"}),
    "another key of a stage": (stage(repaet=3), {"AS303": "repaet"}),
    "extends": ("archspec: 1\nextend: resnet18\n", {"AS101": "extend"}),
    # an argument that is misspelt is not missing
    "argument of an operation": (NET.replace("kernel: 3", "kernal: 3"), {"AS303": "kernal"}),
    "argument of a stage": (stage().replace("width:", "widht:"), {"AS303": "widht"}),
    "argument of a default": (NET.replace(", kernel: 3", "") + "defaults: {conv: {kernal: 3}}\n", {"AS303": "kernal"}),
    "default": (NET.replace(", kernel: 3", "") + "defaults: {conf: {kernel: 3}}\n", {"AS301": "conf"}),
    "another argument": (NET.replace("kernel: 3", "strid: 3"), {"AS303": "strid", "AS304": "conv"}),
    # an unknown name
    "norm by an unknown name": (with_steps("norm") + "norm: $nrm\n", {"AS202": "$nrm"}),
    "shortcut by an unknown name": (stage() + "shortcut: $short\n", {"AS202": "$short"}),
    "block by an unknown name": (stage("$blok"), {"AS202": "$blok"}),
    "number by an unknown name": (NET.replace("classes: 4", "classes: $n"), {"AS202": "$n"}),
    "word by an unknown name": (NET + "train: {recipe: digits, precision: $p}\n", {"AS202": "$p"}),
    "argument that is a list": (stage(width="$widths") + "args: {widths: [1, 2]}\n", {"AS103": "[1, 2]"}),
    # what is declared and not used
    "body that is not used": (NET + "blocks: {b: {body: [{conv: {out: widht, kernel: 1}}]}}\n", {"AS202": "widht"}),
    "out that is not used": (NET + "blocks: {b: {out: widht, body: [relu]}}\n", {"AS202": "widht"}),
    "argument that is not used": (NET + "blocks: {b: {args: {a: c + 1, c: 1}, body: [relu]}}\n", {"AS202": "c + 1"}),
    "class count in a block": (NET + "blocks: {b: {body: [{conv: {out: classes, kernel: 1}}]}}\n", {"AS313": "b"}),
    "condition that is not used": (NET + "shortcuts: {s: {when: strid > 1, body: [relu]}}\n", {"AS202": "strid > 1"}),
    "step that is not there": (NET.replace("kernel: 3}", "kernel: k}, when: false"), {"AS202": "k"}),
    "arguments that are not used": (NET + "blocks: {b: {body: [{conv: {out: 1, kernal: 1}}]}}\n", {"AS303": "kernal"}),
    "shortcut that is not used": (NET + "shortcut: projektion\n", {"AS301": "projektion"}),
    "stage that is not repeated": (stage(repeat=0, shortcut="projektion"), {"AS301": "projektion"}),
    "name of a stage that is not repeated": (stage(repeat=0).replace("0}]", "0}, {name: s, block: basic, width: 4}]"),
                                             {"AS107": "s"}),
    "expression of the spec's arguments": (NET.replace("out: 8", "out: k") + "args: {w: 4, k: 2*ww}\n", {"AS202": "2*ww"}),
    "arguments that come later": (NET.replace("out: 8", "out: k") + "args: {k: 2*w, w: 4}\n", {"AS202": "2*w"}),
    "malformed argument of the spec": (NET.replace("out: 8", "out: k") + "args: {w: 4, k: 2*}\n", {"AS201": "2*"}),
    "default that is not used": (NET + "defaults: {zero_pad: {zeroes: end}}\n", {"AS303": "zeroes"}),
    "preset that is not chosen": (NET + "args: {n: 1}\npresets: {a: {n: 2}, b: {m: 2}}\n", {"AS109": "m"}),
    "stage of a preset": (stage() + "presets: {a: {stages.t.width: 2}}\n", {"AS101": "stages.t.width"}),
    "key of a preset": (NET + "train: {steps: 9, data: {dataset: synthetic}}\npresets: {a: {train.batch_sise: 2}}\n",
                        {"AS101": "train.batch_sise"}),
    # values that do not suit an operation
    "groups": (NET.replace("kernel: 3", "kernel: 3, groups: 2"), {"AS403": "2"}),
    "groups of a default": (with_steps("group_norm") + "defaults: {group_norm: {groups: 5}}\n", {"AS403": "5"}),
    "groups of nobody": (with_steps("group_norm"), {"AS403": "group_norm"}),
    "half the window": (with_steps("{max_pool: {kernel: 2, padding: [0, 2]}}"), {"AS104": "[0, 2]"}),
    "kernel without a middle": (NET.replace("kernel: 3", "kernel: 2"), {"AS304": "2"}),
    # places
    "out of a block": (NET + BLOCK.replace("out: width, b", "out: width + 1, b"), {"AS309": "width + 1"}),
    "one of several values": (with_steps("{add: {}, from: [input, nothing]}"), {"AS306": "nothing"}),
    "word for a mapping": (NET + "init: {conv: he_normal}\n", {"AS101": "he_normal"}),
    "optimizer": (NET.replace("classes: 4", "classes: 10").replace("channels: 3", "channels: 1")
                  + "train: {recipe: digits, optimizer: sdg}\n", {"AS101": "sdg"}),
    "names of modules that differ in case": (with_steps("{Conv: relu}"), {"AS113": "Conv"}),
    "names of steps without one that differ in case": (with_steps("{Relu: tanh}, relu"), {"AS113": "relu"}),
    "names of stages that differ in case": (two_stages("basic", "basic", "S"), {"AS113": "S"}),
    "a block like one of the library": (two_stages("basic", "Basic") + CAPITAL, {"AS113": "Basic"}),
    "a block in capitals where the library's is not used": (stage("Basic") + CAPITAL, {}),
    "a block in capitals that is not declared": (stage("Basic"), {"AS301": "Basic"}),
    "name used twice": (with_steps("{a: relu}, {a: tanh}"), {"AS107": "a"}),
    "empty head": (NET.split("head:")[0] + "head: []\n", {"AS406": "head"}),
    "no steps at all": (NET.split("stem:")[0], {"AS406": "classes"}),
    "phase without end": (NET + "train: {steps: 9, lr: [{value: 1}, {value: 2}]}\n", {"AS602": "{value: 1}"}),
    "name of an argument": (NET + "args: {class: 1}\n", {"AS106": "class"}),
    "name of a block's argument": (NET + "blocks: {b: {args: {class: 1}, body: [relu]}}\n", {"AS106": "class"}),
    "name of an operation": (NET + "blocks: {relu: {body: [tanh]}}\n", {"AS107": "relu"}),
    "list for a block": (stage("[basic]"), {"AS103": "[basic]"}),
    "number for a value": (with_steps("{a: relu, from: 3}"), {"AS305": "3"}),
    "two values for a block": (with_steps("{b: {basic: {width: 8}}, from: [input, input]}"), {"AS307": "basic"}),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACTLY)
def test_a_mistake_is_said_once_at_its_place_with_what_is_independent_of_it(case, mistakes):
    text, expected = EXACTLY[case]
    found = mistakes(text)
    assert [(d.code, marked(d)) for d in sorted(found, key=lambda d: d.code)] == sorted(expected.items())
    assert all(d.help for d in found), "each says what to do about it"


def test_a_mistake_in_a_block_that_is_used_twice_is_said_once(mistakes):
    text = NET.replace("stem: [", "stem: [{a: {b: {w: 1}}}, {c: {b: {w: 2}}, from: input}, ")
    found = mistakes(text + "blocks: {b: {args: {w: int}, body: [{conv: {out: w, kernal: 3}}]}}\n")
    assert [d.code for d in found] == ["AS303"]


def test_names_of_stages_that_cannot_be_used_are_not_replaced_in_messages(mistakes):
    found = mistakes(stage(name="class", widht=3) + "")
    assert {d.code for d in found} == {"AS106", "AS303"}
    assert [r.message for d in found for r in d.related] == ["`basic` is used here"]

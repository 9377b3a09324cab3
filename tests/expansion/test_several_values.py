"""Blocks that take or give several values: what is wrong with one is one mistake, with its place and remedy."""

import pytest

import archspec
from mistaken import marked

CONV = "{conv: {out: 4, kernel: 1}}"
MIX = (
    "inputs: [a, b], body: [{x: {conv: {out: 4, kernel: 1}}, from: a}, {y: {conv: {out: 4, kernel: 1}}, from: b}, "
    "{s: {add: {}}, from: [x, y]}]"
)
GIVING = f"{MIX}, outputs: [s, x]"
SPLIT = "body: [{x: relu}, {y: sigmoid}], outputs: [x, y]"
USED = "{m: {}, from: [l, r]}"


def text(steps, block, more=""):
    return (
        f"input: {{channels: 4, size: 8}}\nclasses: 3\nstem: [{{l: {CONV}}}, {{r: {CONV}}}, {steps}]\n{more}"
        f"head: [global_avg_pool, {{fc: {{linear: {{out: classes}}}}}}]\nblocks: {{m: {{{block}}}}}\n"
    )


STAGE = "stages: [{name: t, block: m}]\n"
MISTAKEN = {
    "one value for two inputs": (text("m", MIX), "AS307", "m", "from: [a, b]"),
    "three for two": (text("{m: {}, from: [l, r, l]}", MIX), "AS307", "m", "from: [a, b]"),
    "two inputs in a chain": (text("{f: [m, relu]}", MIX), "AS307", "m", "from: [a, b]"),
    "two inputs in a stage": (text("relu", MIX, STAGE), "AS307", "{name: t, block: m}", "in a step"),
    "two outputs in a stage": (text("relu", SPLIT, STAGE), "AS307", "{name: t, block: m}", "in a step"),
    "two outputs in a chain": (text("{f: [{z: m}, relu]}", SPLIT), "AS305", "m", "outside of a chain"),
    "two outputs under a condition": (text("{z: m, when: 1 < 2}", SPLIT), "AS305", "m", "`when` out"),
    "inputs beside a merge": (text(USED, f"{MIX}, merge: add"), "AS604", "merge", "`body`"),
    "outputs beside a chain": (text("m", "chain: [{x: relu}], outputs: [x]"), "AS604", "chain", "`body`"),
    "no inputs": (text(USED, MIX.replace("[a, b]", "[]", 1)), "AS104", "[]", "[low, high]"),
    "inputs that are no list": (text(USED, MIX.replace("[a, b]", "a", 1)), "AS103", "a", "[a]"),
    "an input twice": (text(USED, MIX.replace("[a, b]", "[a, a]", 1)), "AS107", "a", "take one"),
    "an input that is called as no argument is": (text(USED, MIX.replace("[a, b]", "[class, b]", 1)), "AS106", "class", "Python"),
    "the input that it has not": (text(USED, MIX.replace("from: a", "from: input")), "AS306", "input", "`a`, `b`"),
    "an output that is no step": (text(USED, GIVING.replace("[s, x]", "[s, xx]")), "AS306", "xx", "`x`"),
    "an output that is an input": (text(USED, GIVING.replace("[s, x]", "[s, a]")), "AS306", "a", "`s`, `x`, `y`"),
    "an output twice": (text(USED, GIVING.replace("[s, x]", "[s, s]")), "AS107", "s", "take one"),
    "an output that is left out": (text("m", SPLIT.replace("sigmoid}", "sigmoid, when: 1 > 2}")), "AS314", "y", "the output"),
    "a value that is none of its outputs": (
        text("{z: {m: {}}, from: [l, r]}, {add: {}, from: [z, z.y]}", GIVING), "AS306", "z.y", "`z.s`, `z.x`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKEN)
def test_it_is_one_mistake_with_its_place_and_remedy(mistakes, what):
    given, code, place, remedy = MISTAKEN[what]
    (found,) = mistakes(given)
    assert (found.code, marked(found)) == (code, place)
    assert remedy in (found.help or found.message)


def test_inputs_of_a_shortcut_are_those_of_its_block(mistakes):
    (found,) = mistakes(text("relu, m", "body: [relu]") + "shortcuts: {q: {inputs: [a], body: [relu]}}\n")
    assert (found.code, marked(found)) == ("AS604", "inputs")


def test_channels_of_inputs_have_names(spec):
    block = MIX.replace("x: {conv: {out: 4", "x: {conv: {out: b_channels + in_channels - a_channels", 1)
    net = archspec.load(spec(text(USED, block)))
    assert net.parameter_shapes()["m.x.weight"] == (4, 4, 1, 1)


def test_the_first_output_is_the_value_of_the_step(spec):
    net = archspec.load(spec(text("{z: {m: {}}, from: [l, r]}, {add: {}, from: [z.s, z.x]}", GIVING)))
    assert net.root.call("add").inputs == ("z", "z.x")

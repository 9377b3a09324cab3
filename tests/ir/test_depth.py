"""Depth: the convolutions and linear layers on the longest path, without those of shortcuts and of gates."""

import pytest

import archspec

NET = "input: {channels: 4, size: 8}\nclasses: 4\n%s\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
CONV = "{conv: {out: 4, kernel: 1}}"
GATE = "{global_avg_pool: {keep: true}}, {conv: {out: 1, kernel: 1}}, relu, {conv: {out: 4, kernel: 1}}"
CASES = {
    "one layer": (f"stem: [{CONV}]", 2),
    "three side by side": (
        f"stem: [{{a: {CONV}}}, {{b: {CONV}, from: input}}, {{c: {CONV}, from: input}}, {{concat: {{}}, from: [a, b, c]}}]", 2),
    "the longer of two branches": (
        f"stem: [{{a: {CONV}}}, {{b: {CONV}}}, {{c: {CONV}, from: input}}, {{add: {{}}, from: [c, b]}}]", 3),
    "a shortcut that a block's own steps make": (
        f"stem: [{{left: {CONV}}}, {{right: {CONV}}}, {{short: {CONV}, from: input}}, {{add: {{}}, from: [right, short]}}]", 3),
    "a projection": ("shortcut: projection_all\nstages: [{name: s, block: basic, width: 8}]", 3),
    "a gate": ("shortcut: highway\nstages: [{name: s, block: basic, width: 4}]", 3),
    "squeeze and excitation": ("stem: [{squeeze_excite: {reduction: 2}}]", 1),
    "squeeze and excitation, the gate first": (f"stem: [{GATE}, {{mul: {{}}, from: [conv2, input]}}]", 1),
    "squeeze and excitation as the branch of a product": (
        f"blocks: {{se: {{body: [{GATE}, sigmoid], merge: mul, shortcut: identity}}}}\nstem: [se]", 1),
    "a gate of every pixel": (
        f"stem: [{{a: {CONV}}}, {{b: {CONV}, from: input}}, {{g: sigmoid}}, {{mul: {{}}, from: [g, a]}}]", 2),
    "a gate in a block": (
        f"blocks: {{gate: {{body: [{CONV}, {CONV}, hard_sigmoid, {{tanh: {{}}, when: 1 > 2}}]}}}}\n"
        f"stem: [{{a: {CONV}}}, {{g: gate, from: input}}, {{mul: {{}}, from: [a, g]}}]", 2),
    "gates alone": (f"stem: [{CONV}, {{a: sigmoid}}, {{b: hard_sigmoid}}, {{mul: {{}}, from: [a, b]}}]", 2),
    "a product without a gate": (
        f"stem: [{{a: {CONV}}}, {{b: {CONV}}}, {{mul: {{}}, from: [a, b]}}]", 3),
    "a step that is absent": (f"stem: [{CONV}, {{conv: {{out: 4, kernel: 1}}, when: 1 > 2}}]", 2),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_depth_is_that_of_the_longest_path(spec, case):
    text, depth = CASES[case]
    assert archspec.load(spec(NET % text)).cost.depth == depth


def test_what_reaches_no_output_is_no_layer_of_it(spec):
    found = NET % f"stem: [{{a: {CONV}}}, {{aux: {CONV}}}, {{aux2: {CONV}}}, {{b: {CONV}, from: a}}]"
    assert archspec.load(spec(found)).cost.depth == 3


def test_the_summary_says_which_layers_count(cli):
    assert "50 convolutions and linear layers on the longest path" in cli("summary", "resnet50").stdout

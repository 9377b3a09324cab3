"""Names that are paths: the parameters that they give, the values that they are, and what cannot be one."""

import pytest

import archspec
from archspec.ir.parse_text import parse_text
from archspec.ir.text import to_text
from archspec.ir.verify import verify
from emitting import GOLDEN
from mistaken import marked

CONV = "{conv: {out: 4, kernel: 1}}"


def text(steps):
    return (
        f"input: {{channels: 4, size: 8}}\nclasses: 3\nstem: [{steps}]\n"
        "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
    )


def names(net):
    return [name.removesuffix(".weight") for name in net.parameter_shapes() if name.endswith("weight")][:-1]


NAMED = {
    f"{{convs.0: {CONV}}}, {{convs.1: {CONV}}}": ["convs.0", "convs.1"],
    f"{{convs.1: {CONV}}}, {{convs.0: {CONV}}}": ["convs.1", "convs.0"],
    f"{{a.b.c: {CONV}}}, {{a.d: {CONV}}}": ["a.b.c", "a.d"],
    f"{{conv.1.0: {CONV}}}, {{conv.0: [{CONV}, relu]}}": ["conv.1.0", "conv.0.0"],
    f'{{"convs.{{i}}": {CONV}, repeat: 3}}': ["convs.0", "convs.1", "convs.2"],
    f"{{convs.0: {CONV}, repeat: 2}}": ["convs.0.0", "convs.0.1"],
    f"{{convs.0: {CONV}}}, {{convs.1: {CONV}, when: 1 > 2}}, {{convs.2: {CONV}}}": ["convs.0", "convs.2"],
    f"{{convs.0: {CONV}}}, {{convs.1: identity, from: input}}, {{convs.2: {CONV}, from: convs.0}}": [
        "convs.0",
        "convs.2",
    ],
    f"{CONV}, {{conv.0: {CONV}}}": ["conv2", "conv.0"],
}


@pytest.mark.parametrize("steps", NAMED)
def test_parameters_are_called_by_paths(spec, steps):
    net = archspec.load(spec(text(steps)))
    assert (names(net), net.warnings) == (NAMED[steps], ())
    assert verify(net.root) == []


def test_steps_of_a_chain_under_a_path_are_values(spec):
    net = archspec.load(
        spec(text(f"{{convs.0: [{CONV}, relu]}}, {{sum.of: {{add: {{}}}}, from: [convs.0.0, convs.0]}}"))
    )
    assert net.root.calls[0].target.taps == ("0",)
    assert net.root.calls[1].inputs == ("convs.0.0", "convs.0")


def test_the_textual_form_has_paths():
    net = archspec.load(str(GOLDEN / "paths.yaml"))
    read = parse_text(to_text(net))
    assert [call.name for call in read.calls] == [call.name for call in net.root.calls]
    assert verify(read) == []


MISTAKEN = {
    "a step, and then a path in it": (f"{{c: {CONV}}}, {{c.0: {CONV}}}", "AS107", "c.0", "rename"),
    "a path, and then the step that it is in": (f"{{c.0: {CONV}}}, {{c: {CONV}}}", "AS107", "c", "rename"),
    "the same further in": (f"{{a.b.0: {CONV}}}, {{a.b: {CONV}}}", "AS107", "a.b", "rename"),
    "a path twice": (f"{{c.0: {CONV}}}, {{c.0: {CONV}}}", "AS107", "c.0", "rename"),
    "numbers and names": (f"{{c.0: {CONV}}}, {{c.x: {CONV}}}", "AS107", "c.x", "number all"),
    "a gap": (f"{{c.0: {CONV}}}, {{c.2: {CONV}}}", "AS114", "c.2", "`- c.1: identity`"),
    "no first": (f"{{c.1: {CONV}}}", "AS114", "c.1", "`- c.0: identity`"),
    "a gap in a repetition": (f'{{"c.{{i + 1}}": {CONV}, repeat: 2}}', "AS114", '"c.{i + 1}"', "`- c.0: identity`"),
    "a place far away": (f"{{c.99999: {CONV}}}", "AS114", "c.99999", "from 0"),
    "an empty part": (f"{{a..b: {CONV}}}", "AS106", "a..b", "one side of a dot"),
    "a dot first": (f"{{.a: {CONV}}}", "AS106", ".a", "one side of a dot"),
    "a dot last": (f"{{a.: {CONV}}}", "AS106", "a.", "one side of a dot"),
    "a number first": (f"{{0.a: {CONV}}}", "AS106", "0.a", "begins with a name"),
    "a number with zeros": (f"{{a.01: {CONV}}}", "AS106", "a.01", "without zeros"),
    "a digit that is no number": (f"{{a.²: {CONV}}}", "AS106", "a.²", "SUPERSCRIPT TWO"),
    "a word of Python's": (f"{{a.class: {CONV}}}", "AS106", "a.class", "`class`: it is a word"),
    "a word of the frameworks": (f"{{train.a: {CONV}}}", "AS106", "train.a", "`train`: frameworks"),
    "a method of a dictionary": (f"{{a.keys: {CONV}}}", "AS106", "a.keys", "method"),
    "a hyphen": (f"{{a.b-c: {CONV}}}", "AS106", "a.b-c", "a.b_c"),
    "too many parts": (f"{{a.b.c.d.e.f.g.h.i: {CONV}}}", "AS106", "a.b.c.d.e.f.g.h.i", "at most 8"),
    "a path in a chain": (f"{{f: [{{a.0: {CONV}}}, relu]}}", "AS106", "a.0", "nest a list"),
    "a tensor": ("{a.t: {parameter: {shape: [4, 1, 1]}}}, {add: {}, from: [input, a.t]}", "AS106", "parameter", "block"),
    "two lists but for case": (f"{{C.0: {CONV}}}, {{c.1: {CONV}}}", "AS113", "c.1", "rename"),
    "a container as a value": (f"{{c.0: {CONV}}}, {{relu: {{}}, from: c}}", "AS306", "c", "such as `c.0`"),
    "a path of no step": (f"{{convs.0: {CONV}}}, {{relu: {{}}, from: convs.1}}", "AS306", "convs.1", "`convs.0`"),
    "what is further in a chain": (
        f"{{c.0: [{CONV}, [{CONV}, relu]]}}, {{relu: {{}}, from: c.0.1.0}}", "AS306", "c.0.1.0", "name a step of `c.0` itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKEN)
def test_a_path_that_cannot_be_is_one_mistake_with_its_place_and_remedy(mistakes, what):
    steps, code, place, remedy = MISTAKEN[what]
    (found,) = mistakes(text(steps))
    assert (found.code, marked(found)) == (code, place)
    assert remedy in (found.help or "")


def test_a_gap_in_a_block_is_said_once_however_often_it_is_used(mistakes):
    blocks = f"blocks:\n  b: {{body: [{{c.0: {CONV}}}, {{c.2: {CONV}}}]}}\n"
    assert [d.code for d in mistakes(text("b, b, {x: b}") + blocks)] == ["AS114"]


def test_the_name_of_a_stage_is_no_path(mistakes):
    staged = text("relu").replace("head:", "stages: [{name: body.one, block: basic, width: 4}]\nhead:")
    (found,) = mistakes(staged)
    assert (found.code, marked(found)) == ("AS106", "body.one")

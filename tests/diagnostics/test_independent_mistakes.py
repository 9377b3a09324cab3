"""All mistakes of a file come in one run: one hides no other that does not depend on it, and brings none along."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archspec
from archspec.loading import zoo
from archspec.ops import OPS
from mistaken import marked

NET = """\
input: {size: 32}
classes: 10
shortcut: projection
stem: [{conv1: {conv: {out: 16, kernel: 3}}}, norm, act]
stages:
  - {name: layer1, block: basic, width: 16}
  - {name: layer2, block: basic, width: 32, stride: 2, repeat: 2}
  - {name: layer3, block: basic, width: 64, stride: 2}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""

TOGETHER = {
    "an argument, a shortcut and the classes": (
        {"kernel": "kernl", "projection": "identity", "out: classes": "out: 9"},
        [("AS405", "identity"), ("AS303", "kernl"), ("AS406", "linear")]),
    "an operation, its argument, and the classes": (
        {"{conv: {out: 16, kernel": "{cnov: {out: 16, kernl", "out: classes": "out: 9"},
        [("AS301", "cnov"), ("AS303", "kernl"), ("AS406", "linear")]),
    "a block, its arguments, and the shortcut": (
        {"block: basic, width: 32": "block: baisc, widht: 32", "projection": "identity"},
        [("AS405", "identity"), ("AS301", "baisc"), ("AS303", "widht")]),
    "a name in an expression and what it leads to": (
        {"width: 16}": "width: 8 * clases}", "projection": "identity"},
        [("AS405", "identity"), ("AS202", "8 * clases")]),
    "a shape that nobody knows and the classes": (
        {"kernel: 3": "kernel: -3", "out: classes": "out: 9"}, [("AS104", "-3"), ("AS406", "linear")]),
    "an unknown shortcut and the classes": (
        {"projection": "projektion_x", "out: classes": "out: 9"}, [("AS301", "projektion_x"), ("AS406", "linear")]),
    "an unknown argument that is like none": ({"kernel: 3": "kernel: 3, wat: 1"}, [("AS303", "wat")]),
    "an operation and its argument in words of others": (
        {"conv: {out: 16": "Conv2d: {filters: 16", "out: classes": "out: 9"},
        [("AS301", "Conv2d"), ("AS303", "filters"), ("AS406", "linear")]),
    "a value of another system": (
        {"kernel: 3": "kernel: 3, padding: valid, bias: yes", "out: classes": "out: 9"},
        [("AS202", "valid"), ("AS202", "yes"), ("AS406", "linear")]),
}  # fmt: skip


def test_a_mistake_that_presets_would_say_in_other_words_is_said_once(mistakes):
    block = "blocks: {b: {args: {conv: {layer: conv}}, body: [{c: {$conv: {out: 4, krenel: 1}}}]}}"
    preset = "presets: {other: {defaults: {b: {conv: {std_conv: {eps: 1e-8}}}}}}"
    found = mistakes(f"{preset}\ninput: {{size: 8}}\nclasses: 4\nstem: [b]\nhead: [global_avg_pool]\n{block}")
    assert [(d.code, marked(d)) for d in found] == [("AS303", "krenel")]


@pytest.mark.parametrize("name", TOGETHER)
def test_mistakes_that_do_not_depend_on_each_other_come_together(name, mistakes):
    changes, expected = TOGETHER[name]
    text = NET
    for right, wrong in changes.items():
        assert right in text
        text = text.replace(right, wrong, 1)
    assert [(d.code, marked(d)) for d in mistakes(text)] == expected


def test_a_shortcut_that_fits_no_stage_is_said_once(mistakes):
    (found,) = mistakes(NET.replace("projection", "identity"))
    assert found.code == "AS405"


def test_what_follows_a_failed_merge_may_name_it(mistakes):
    text = (
        NET.replace("projection", "identity")
        + """\
blocks:
  b:
    args: {width: int, stride: 1}
    out: width
    body: [{c: {conv: {out: width, kernel: 3, stride: stride}}}]
    merge: {sum: add}
    after: [{r: relu, from: sum}, {s: {add: {}}, from: [r, sum]}]
"""
    )
    assert [d.code for d in mistakes(text.replace("block: basic", "block: b"))] == ["AS405"]


WORDS = {
    *OPS,
    "classes",
    "channels",
    "kernel",
    "stride",
    "padding",
    "repeat",
    "stages",
    "block",
    "width",
    "shortcut",
    "defaults",
}
DECLARES = re.compile(
    r"\bargs:(?: \{[^}\n]*|\n(?:  .*\n)*  )$"
)  # arguments, which are misspelt where they are used
NAMES = re.compile(rf": (?:\{{(?:{'|'.join(OPS)}): |norm\b)")  # steps, which may have any
SPECS = [path for path in sorted(zoo.folder().glob("*.yaml")) if "extends" not in path.read_text()]
PLACES = [
    (path, match.span())
    for path in SPECS
    for match in re.finditer(
        r"(?<=[{ ])(\w{5,})(?=: )|(?<=[\[ ])(global_avg_pool)(?=,)", path.read_text().split("\ntrain:")[0]
    )
    if match[0] in WORDS
    and not DECLARES.search(match.string[: match.start()])
    and not NAMES.match(match.string, match.end())
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PLACES), st.data())
def test_one_typing_error_is_one_mistake_at_its_place(tmp_path_factory, place, data):
    path, (start, end) = place
    text = path.read_text()
    at = data.draw(st.integers(start + 1, end - 2))
    wrong = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    draft = tmp_path_factory.getbasetemp() / path.name
    draft.write_text(wrong)
    found = archspec.check(draft)
    assert [marked(d) for d in found] == ([] if wrong == text else [wrong[start:end]])


def test_a_shortcut_with_a_mistake_in_a_table_of_named_rows_is_one_mistake(tmp_path):
    text = (zoo.folder() / "regnet.yaml").read_text()
    draft = tmp_path / "regnet.yaml"
    draft.write_text(text.replace("kernel: 1, stride: stride}}, norm]", "krenel: 1, stride: stride}}, norm]"))
    assert [(d.code, marked(d)) for d in archspec.check(draft)] == [("AS303", "krenel")]


def test_an_operation_misspelt_below_a_name_of_another_is_one_mistake(mistakes):
    (found,) = mistakes(NET.replace("global_avg_pool", "dropout: {dorpout: {rate: 0.1}}"))
    assert "did you mean `dropout`" in (found.help or "")


DECLARED = """\
input: {size: 32}
classes: 10
blocks:
  mine:
    args: {width: int, stride: 1}
    out: width * 2
    body: [{conv: {out: width, kernel: 3, stride: stride}}, norm, {conv: {out: width * 2, kernel: 3}}]
    merge: add
shortcuts:
  halved:
    args: {factor: 0.5, kernel: 1}
    body: [{conv: {out: out_channels, kernel: kernel, stride: stride}}, {scale: {value: factor}}]
stages: [{name: a, block: mine, width: 8, shortcut: {halved: {factor: 0.25}}}]
head: [global_avg_pool, {linear: {out: classes}}]
"""


@pytest.mark.parametrize(
    ("declared", "misspelt"),
    [("{width: int", "{widht: int"), ("{width: int", "{widht: 8"), ("{factor: 0.5", "{facter: 0.5")],
)
def test_an_argument_that_is_misspelt_where_it_is_declared_is_told_there_and_once(declared, misspelt, mistakes):
    assert mistakes(DECLARED) == ()
    (found,) = mistakes(DECLARED.replace(declared, misspelt))
    assert (found.code, marked(found)) == ("AS202", misspelt[1:].partition(":")[0])
    assert found.help == f"did you mean `{declared[1:].partition(':')[0]}`?"
    assert found.fix is not None


OF_THE_SPEC = """\
input: {size: 32}
classes: 10
args: {width: 8, repeat: 2}
stem: [{conv: {out: $width, kernel: 3}}, norm]
stages:
  - {name: a, block: basic, width: width, repeat: $repeat}
  - {name: b, block: basic, width: width * 2, repeat: $repeat, stride: 2}
head: [global_avg_pool, {linear: {out: classes}}]
presets: {wide: {width: 32}}
"""


def test_an_argument_of_the_spec_that_is_misspelt_where_it_is_declared_is_told_there_and_once(mistakes):
    assert mistakes(OF_THE_SPEC) == ()
    found = mistakes(OF_THE_SPEC.replace("{width: 8, repeat: 2}", "{widht: 8, repaet: 2}"))
    assert [(d.code, marked(d), d.help) for d in found] == [
        ("AS202", "widht", "did you mean `width`?"),
        ("AS202", "repaet", "did you mean `repeat`?"),
    ]
    assert all(d.fix is not None for d in found)


def test_a_name_that_is_misspelt_once_in_a_spec_is_told_where_it_is(mistakes):
    (found,) = mistakes(OF_THE_SPEC.replace("width: width * 2", "width: widht * 2"))
    assert (found.code, marked(found), found.help) == ("AS202", "widht * 2", "did you mean `width`?")


def test_an_argument_that_is_misspelt_in_a_spec_that_extends_another_is_told_with_the_one_that_was_meant(mistakes):
    (found,) = mistakes("extends: cifar_resnet\nargs: {shortcutt: none}\n")
    assert (found.code, found.help) == ("AS313", "did you mean `shortcut`?")
    assert found.fix is not None


def test_a_name_that_is_misspelt_in_a_block_is_told_in_it(mistakes):
    for right, wrong in (("stride: stride}}, norm", "stride: strde}}, norm"), ("kernel: kernel", "kernel: kernl")):
        (found,) = mistakes(DECLARED.replace(right, wrong, 1))
        assert found.code == "AS202"
        assert marked(found) in wrong
    told = mistakes(DECLARED.replace("width * 2", "widht * 2").replace("out: width,", "out: widht,"))
    assert {(d.code, marked(d)) for d in told} == {("AS202", "widht"), ("AS202", "widht * 2")}, (
        "as it is given, it is declared"
    )

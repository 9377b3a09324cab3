"""The fingerprint of a network: equal where one checkpoint fits both nets and gives the same function."""

import pytest

import archspec

WIRED = """
input: {channels: 4, size: 8}
classes: 4
stem:
  - a: {conv: {out: 4, kernel: 3}}
  - b: {conv: {out: 4, kernel: 3}}
  - c: {conv: {out: 4, kernel: 3}}
  - s: {%s: {}, from: [%s]}
head: [%s]
"""


@pytest.fixture
def fingerprint(spec):
    return lambda text, **options: archspec.load(spec(text), **options).fingerprint


def wired(sources="a, c", merge="add", head="global_avg_pool"):
    return WIRED % (merge, sources, head)


OTHER_WIRING = {
    "another operand": wired("b, c"),
    "another order": wired("c, a"),
    "one operand twice": wired("a, a"),
    "the input of the net": wired("input, c"),
    "another operation": wired(merge="mul"),
    "another output": wired(head="{global_avg_pool: {}, from: a}"),
    "another name": wired().replace("c: {", "d: {").replace("[a, c]", "[a, d]"),
    "another attribute": wired().replace("kernel: 3}}", "kernel: 3, bias: true}}", 1),
    "another input size": wired().replace("size: 8", "size: 9"),
}


@pytest.mark.parametrize("change", OTHER_WIRING)
def test_nets_that_differ_in_what_they_compute_have_two_fingerprints(fingerprint, change):
    assert fingerprint(OTHER_WIRING[change]) != fingerprint(wired())


BASIC = """
input: {channels: 3, size: 8}
classes: 4
{blocks}
{stages}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
PART = "{args: {width: int, stride: 1}, body: [{conv: {out: width, kernel: 3, stride: stride}}, relu]}"
STAGE = BASIC.replace("{blocks}", f"blocks: {{part: {PART}}}").replace(
    "{stages}", "stages: [{name: layer1, block: part, repeat: 3, width: 8}]"
)


def blocks(**declared):
    listed = "\n".join(f"  {name}: {value}" for name, value in declared.items())
    return BASIC.replace("{blocks}", f"blocks:\n{listed}")


SAME_NET = {
    "a block in place of a stage": blocks(
        part=PART, three="{chain: [{part: {width: 8}}, {part: {width: 8}}, {part: {width: 8}}]}"
    ).replace("{stages}", "stem: [{layer1: three}]"),
    "constants in place of arguments": STAGE.replace("width: int, stride: 1", "width: 8, stride: 1").replace(
        "out: width, kernel: 3, stride: stride", "out: 8, kernel: [3, 3]"
    ),
    "a step that is absent": STAGE.replace("stages:", "stem: [{skipped: {tanh: {}}, when: 1 > 2}]\nstages:"),
    "another name of the block": STAGE.replace("part", "segment"),
    "another name of the net": f"archspec: 1\nname: other\n{STAGE}",
}


@pytest.mark.parametrize("way", SAME_NET)
def test_one_net_written_in_two_ways_has_one_fingerprint(fingerprint, way):
    assert fingerprint(SAME_NET[way]) == fingerprint(STAGE)


def test_presets_that_differ_in_a_shortcut_alone_have_two_fingerprints():
    nets = ("cifar_resnet:resnet20", "cifar_resnet:plain20", "cifar_highway", "cifar_resnet:resnet32")
    assert len({archspec.load(name).fingerprint for name in nets}) == 4

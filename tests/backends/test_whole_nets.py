"""Whole nets of each backend against the same NumPy reference, with names and conditions that lead astray."""

import pytest

import archspec
from comparing import check
from operation_nets import BACKENDS, CONFUSING, IDENTITY_MAPPINGS, SOMETIMES

OPTIONS = ["none", "zero_pad", "projection", "projection_all"]
SMALL = [("digits_resnet", option) for option in OPTIONS] + [("cifar_resnet", option) for option in OPTIONS]
SMALL += [("cifar_highway", None)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "shortcut"), SMALL)
def test_whole_nets_equal_the_reference(name, shortcut, backend):
    chosen = {"shortcut": shortcut} if shortcut else {}
    net = archspec.load(name, set={"n": 1, "input.size": 8, "train.data.dataset": "synthetic", **chosen})
    check(net, tolerance=1e-8, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bottlenecks_equal_the_reference(spec, backend):
    text = """
input: {channels: 3, size: 16}
classes: 4
shortcut: projection
stages:
  - {name: layer1, block: bottleneck, repeat: 2, width: 4, groups: 2}
  - {name: layer2, block: bottleneck, repeat: 2, width: 4, stride: 2, stride_in_1x1: true, shortcut: {zero_pad: {zeros: end}}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
    check(archspec.load(spec(text)), tolerance=1e-8, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_shortcuts_and_orders_of_identity_mappings_equal_the_reference(spec, backend):
    check(archspec.load(spec(IDENTITY_MAPPINGS)), tolerance=1e-8, backend=backend)


INVERTED = """
input: {channels: 3, size: 10}
classes: 4
blocks:
  inverted:
    args: {width: int, stride: 1, expand: 3}
    out: width
    shortcut: SHORTCUT
    body:
      - expand: {conv_norm_act: {width: in_channels * expand, kernel: 1}}
      - depthwise: {conv_norm_act: {width: in_channels * expand, stride: stride, groups: in_channels * expand}}
      - project: {conv: {out: width, kernel: 1}}
      - norm
    merge: add
shortcuts:
  where_it_fits:
    when: stride == 1 and in_channels == out_channels
    join: [{add: {}, from: [branch, input]}]
init: {zero_last_norm: true}
stages:
  - {name: one, block: inverted, repeat: 2, width: 4}
  - {name: two, block: inverted, repeat: 3, width: 6, stride: 2}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize(
    ("backend", "shortcut"), [*((b, "identity_or_none") for b in BACKENDS), ("torch", "where_it_fits")]
)
def test_nothing_is_merged_where_a_shortcut_says_so(spec, backend, shortcut):
    net = archspec.load(spec(INVERTED.replace("SHORTCUT", shortcut)))
    adds = [row.name for row in net.modules() if row.op == "add"]
    assert [name.rsplit(".", 1)[0].removesuffix(".shortcut") for name in adds] == ["one.1", "two.1", "two.2"]
    check(net, tolerance=1e-8, backend=backend)
    if backend == "torch":
        model = archspec.build(net, backend)
        last = {k: p for k, p in model.state_dict().items() if k.endswith("batch_norm.weight")}
        started = {k.removesuffix(".batch_norm.weight") for k, p in last.items() if not p.any()}
        assert started == {"one.1", "two.1", "two.2"}, "a block that merges nothing would start dead"


@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_that_are_there_in_some_instances_only(spec, backend):
    check(archspec.load(spec(SOMETIMES)), backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_of_steps_may_be_those_of_variables_and_modules(spec, backend):
    check(archspec.load(spec(CONFUSING)), backend=backend)

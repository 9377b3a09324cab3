"""Nets that nobody thought of count as built and equal the reference: stages of library blocks, and blocks in blocks."""

import ast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import archspec
from comparing import check
from loops import tries

torch = pytest.importorskip("torch")


@st.composite
def random_nets(draw):
    """Well-typed specs: stages of library blocks with any shortcut that fits, any norm and activation."""
    number = draw(st.integers(1, 3))
    lines = [
        f"input: {{channels: {draw(st.integers(1, 4))}, size: [{draw(st.integers(8, 17))}, {draw(st.integers(8, 17))}]}}",
        f"classes: {draw(st.integers(2, 5))}",
        f"norm: {draw(st.sampled_from(['batch_norm', 'layer_norm', '{group_norm: {groups: 2}}', 'identity']))}",
        f"act: {draw(st.sampled_from(['relu', 'gelu', 'silu', 'hard_swish', 'tanh']))}",
        f"shortcut: {draw(st.sampled_from(['none', 'projection', 'projection_all', '{zero_pad: {zeros: end}}']))}",
        "stages:",
    ]
    width = 4
    for index in range(number):
        block = draw(st.sampled_from(["basic", "bottleneck", "conv_norm_act"]))
        width *= draw(st.sampled_from([1, 2]))
        repeat, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        lines.append(f"  - {{name: s{index}, block: {block}, repeat: {repeat}, width: {width}, stride: {stride}}}")
    return "\n".join([*lines, "head: [global_avg_pool, {fc: {linear: {out: classes}}}]", ""])


@pytest.mark.longer
@settings(max_examples=tries(25, 500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=random_nets())
def test_random_nets_count_as_built_and_equal_the_reference(text, spec):
    path = spec(text)
    mistakes = {d.code for d in archspec.check(path)}
    if mistakes:
        assert mistakes <= {"AS401", "AS402", "AS405"}, "only shapes can be wrong in these"
        return
    net = archspec.load(path)
    check(net, batch=2, tolerance=1e-7)
    model = archspec.build(net, "torch")
    assert sum(p.numel() for p in model.parameters()) == net.cost.params


@pytest.mark.longer
@settings(max_examples=tries(5, 12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
          phases=[Phase.generate])  # fmt: skip
@given(text=random_nets())
def test_random_nets_equal_the_reference(text, spec):
    path = spec(text)
    if archspec.check(path):
        return
    check(archspec.load(path), batch=2, tolerance=1e-7, backend="flax")


UNIT = """
  unit:
    args: {width: int, gated: false, stride: 1}
{out}    body:
      - conv: {conv: {out: width, kernel: 3, stride: stride}}
      - {gate: sigmoid, when: gated}
      - {mul: {}, from: [conv, gate], when: gated}
"""
OUTER = """
  outer:
    args: {{width: int, gated: false, wide: false, stride: 1}}
    {out}
    body:
      - a: {{unit: {{width: "width * (2 if wide else 1)", stride: stride}}}}
      - act
      - b: {{unit: {{width: width, gated: {gated}}}}}
      - {{norm: {{}}, when: {when}}}
      - {{tail: {{conv: {{out: width, kernel: 1}}}}, when: wide}}
    merge: {merge}
    after: {after}
"""


@st.composite
def nested_nets(draw):
    """Blocks inside blocks, whose insides hang on flags, widths and strides, with and without declared channels."""
    merge = draw(st.sampled_from(["add", "concat"]))
    parts = {
        "out": draw(st.sampled_from(["out: width", ""])),
        "gated": draw(st.sampled_from(["gated", "not gated", "width > 4", "stride == 1"])),
        "when": draw(st.sampled_from(["stride == 1", "gated or wide", "in_channels == width"])),
        "merge": merge,
        "after": draw(st.sampled_from(["[]", "[relu]", "[{unit: {width: in_channels, gated: wide}}]"])),
    }
    lines = ["input: {channels: 2, size: 12}", "classes: 3",
             f"shortcut: {'identity' if merge == 'concat' else draw(st.sampled_from(['none', 'projection']))}",
             "blocks:", UNIT.replace("{out}", draw(st.sampled_from(["    out: width\n", "", ""]))),
             OUTER.format(**parts), "stages:"]  # fmt: skip
    for index in range(draw(st.integers(1, 3))):
        stride = draw(st.integers(1, 2)) if merge == "add" else 1
        flags = (
            f"gated: {draw(st.sampled_from(['true', 'false']))}, wide: {draw(st.sampled_from(['true', 'false']))}"
        )
        lines.append(f"  - {{name: s{index}, block: outer, repeat: {draw(st.integers(1, 4))}, "
                     f"width: {draw(st.sampled_from([4, 6]))}, stride: {stride}, {flags}}}")  # fmt: skip
    return "\n".join([*lines, "head: [global_avg_pool, {fc: {linear: {out: classes}}}]", ""])


@pytest.mark.longer
@settings(max_examples=tries(30, 500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=nested_nets())
def test_blocks_inside_blocks_are_emitted_as_they_are(text, spec):
    net = archspec.load(spec(text))
    check(net, batch=2, tolerance=1e-7)


def test_equal_arguments_do_not_hide_unequal_insides(spec):
    """A class is shared only where the classes inside of it are the same."""
    text = "input: {size: 8}\nclasses: 3\nshortcut: identity\nblocks:" + UNIT.replace("{out}", "    out: width\n")
    text += OUTER.format(out="out: width", gated="gated", when="true", merge="add", after="[]")
    text += "stem: [{conv: {out: 4, kernel: 1}}]\nstages:\n  - {name: plain, block: outer, width: 4}\n"
    text += "  - {name: gated, block: outer, width: 4, gated: true}\nhead: [global_avg_pool, {fc: {linear: {out: 3}}}]\n"
    net = archspec.load(spec(text))
    check(net, tolerance=1e-7)
    source = archspec.emit(net, "torch")["model.py"]
    assert [n.name for n in ast.parse(source).body if isinstance(n, ast.ClassDef)] == [
        "Unit", "GatedUnit", "Outer", "GatedOuter", "Net"
    ]  # fmt: skip

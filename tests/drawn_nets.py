"""Strategies of nets that nobody thought of: stages of library blocks, and blocks in blocks."""

from hypothesis import strategies as st

SHARED = "{b: {conv: {out: 4, kernel: 3, bias: true}}}, {c: {share: b}}, {d: {share: b}, from: a}, {add: {}, from: [c, d]}"


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
    ]
    if draw(st.booleans()):  # a step with a start of its own, and layers that are applied again
        start = draw(st.sampled_from(["0.1", "xavier_uniform", "{normal: {std: 0.1}}"]))
        lines.append(f"stem: [{{a: {{conv: {{out: 4, kernel: 3}}}}, init: {{weight: {start}}}}}, {SHARED}]")
    lines.append("stages:")
    width = 4
    for index in range(number):
        block = draw(st.sampled_from(["basic", "bottleneck", "conv_norm_act"]))
        width *= draw(st.sampled_from([1, 2]))
        repeat, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        lines.append(f"  - {{name: s{index}, block: {block}, repeat: {repeat}, width: {width}, stride: {stride}}}")
    return "\n".join([*lines, "head: [global_avg_pool, {fc: {linear: {out: classes}}}]", ""])


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
      - {a}: {{unit: {{width: "width * (2 if wide else 1)", stride: stride}}}}
      - act
      - {b}: {{unit: {{width: width, gated: {gated}}}}}
      - {{norm: {{}}, when: {when}}}
      - {{tail: {{conv: {{out: width, kernel: 1}}}}, when: wide}}
    merge: {merge}
    after: {after}
"""


@st.composite
def nested_nets(draw):
    """Blocks inside blocks, whose insides hang on flags, widths and strides, with and without declared channels."""
    merge = draw(st.sampled_from(["add", "concat"]))
    first, second = draw(
        st.sampled_from([("a", "b"), ("units.0", "units.1"), ("units.1", "units.0"), ("u.a", "u.b.0")])
    )
    parts = {
        "a": first,
        "b": second,
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

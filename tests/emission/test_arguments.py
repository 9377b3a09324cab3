"""Arguments of blocks in emitted source: an order that Python takes, defaults that follow, one class for one block."""

import ast
import re

import pytest

import archspec

HEAD = "input: {channels: 1, size: 8}\nclasses: 10\n"
END = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"

NETS = {
    "default_before_required": """
blocks:
  b:
    args: {deep: false, width: int}
    out: width
    body: [{conv: {conv: {out: width, kernel: 3}}}, {relu: {}, when: deep}]
stages: [{name: s1, block: b, width: 8}, {name: s2, block: b, width: 16, deep: true}]
""",
    "derived_default": """
blocks:
  b:
    args: {width: int, stride: 1, mid: width // 4}
    out: width
    body: [{c1: {conv: {out: mid, kernel: 1, stride: stride}}}, {c2: {conv: {out: width, kernel: 3}}},
      {c3: {conv: {out: mid, kernel: 1}}}, {c4: {conv: {out: width, kernel: 1}}}]
stages: [{name: s1, block: b, width: 8}, {name: s2, block: b, width: 16, stride: 2}]
""",
    "derived_default_that_is_only_a_name": """
blocks:
  b:
    args: {width: int, mid: width, keep: 0.5, rate: keep, wide: in_channels}
    out: width
    body: [{c1: {conv: {out: mid, kernel: 1}}}, {drop: {dropout: {rate: rate}}},
      {c2: {conv: {out: wide, kernel: 1}}}, {c3: {conv: {out: width, kernel: 3}}}]
stages: [{name: s1, block: b, width: 8}, {name: s2, block: {b: {mid: 3, rate: 0.25}}, width: 16}]
""",
    "derived_default_that_is_given_once": """
blocks:
  b:
    args: {width: int, mid: width // 4}
    out: width
    body: [{c1: {conv: {out: mid, kernel: 1}}}, {c2: {conv: {out: width, kernel: 3}}}]
stages: [{name: s1, block: b, width: 8}, {name: s2, block: {b: {mid: 3}}, width: 16}]
""",
    "derived_padding": """
blocks:
  c:
    args: {width: int, k: 1, pad: k // 2, stride: 1}
    body: [{conv: {conv: {out: width, kernel: k, padding: pad, stride: stride}}}, norm, relu]
stem: [{a: {c: {width: 8}}}, {b: {c: {width: 8, k: 3, stride: 2}}}]
""",
    "required_after_default": """
blocks:
  b:
    args: {width: int, stride: 1, e: int}
    out: width
    body: [{conv1: {conv: {out: e, kernel: 3, stride: stride}}}, {conv2: {conv: {out: width, kernel: 3}}},
      {add: {}, from: [conv2, conv2]}]
stem: [{a: {b: {width: 8, stride: 2, e: 4}}}, {c: {b: {width: 16, e: 8}}}]
""",
    "place_over_derived_default": """
blocks:
  b:
    args: {width: int, k: 1, mid: width * k}
    out: width
    body: [{c1: {conv: {out: mid, kernel: 1}}}, {c2: {conv: {out: width, kernel: 3}}}]
stages: [{name: s, block: {b: {k: index + 1}}, width: 4, repeat: 5}]
""",
    "names_of_what_source_uses": """
blocks:
  b:
    args: {nn: int, int: 1, F: 2, jnp: nn * F, classes: 3, num_classes: 4, i: 1}
    out: nn
    body: [{c1: {conv: {out: jnp, kernel: F + 1}}}, {c2: {conv: {out: classes * num_classes, kernel: 1}}},
      {c3: {conv: {out: nn, kernel: int, padding: i - 1}}}]
stages: [{name: s, block: {b: {nn: 4, i: 1}}, repeat: 2},
  {name: t, block: {b: {nn: 6, F: 4, classes: 5, num_classes: 2, int: 3, i: 2}}}]
""",
}


@pytest.fixture(params=["torch", "flax"])
def backend(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.mark.parametrize("name", NETS)
def test_build_writes_the_model_that_the_spec_says(name, backend, spec, cli, tmp_path):
    path = spec(HEAD + NETS[name] + END)
    result = cli("build", path, "--backend", backend, "--out", tmp_path / "built")  # compares it with the net
    assert result.exit_code == 0, result.output
    source = (tmp_path / "built" / "model.py").read_text()
    assert len(re.findall(r"^class (?:B|C)\b", source, re.M)) == 1


def test_derived_defaults_are_computed_where_they_are_used_and_passed_where_they_are_given(spec):
    source = {
        name: archspec.emit(archspec.load(spec(HEAD + NETS[name] + END)), "torch")["model.py"] for name in NETS
    }
    assert "mid = width // 4\n" in source["derived_default"]
    assert "B(8, 16, stride=2)" in source["derived_default"]
    assert "B(8, 16, mid=3)" in source["derived_default_that_is_given_once"]
    assert "padding=k // 2" in source["derived_padding"]
    assert (
        "self.s = nn.Sequential(B(1, 4), *(B(4, 4, k=i + 1) for i in range(1, 5)))"
        in source["place_over_derived_default"]
    )


SHORTCUT = """
shortcut: c
shortcuts:
  c: {body: [{subsample: {stride: stride}}, {pad_channels: {after: out_channels - in_channels}}, {scale: {value: 0.5}}]}
stem: [{conv1: {conv: {out: 16, kernel: 3}}}]
stages:
  - {name: layer1, block: basic, repeat: 2, width: 16}
  - {name: layer2, block: basic, repeat: 2, width: 32, stride: 2}
  - {name: layer3, block: basic, repeat: 2, width: 64, stride: 2}
"""


def test_a_shortcut_of_several_steps_is_one_class(backend, spec):
    source = archspec.emit(archspec.load(spec(HEAD + SHORTCUT + END)), backend)["model.py"]
    made = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert [name for name in made if name in ("C", "BasicBlock", "Net") or name[-1].isdigit()] == [
        "C",
        "BasicBlock",
        "Net",
    ]


EQUAL = """
blocks:
  b:
    args: {width: int, e: 1}
    body: [{c1: {conv: {out: WRITTEN, kernel: 1}}}, {cat: {concat: {}, from: [c1, input]}}, {c2: {conv: {out: width, kernel: 1}}}]
stages: [{name: s, block: b, width: 4}, {name: t, block: b, width: 6}]
"""


@pytest.mark.parametrize(
    ("written", "shown"),
    [("width * 4 // 1", "4 * width"), ("1 * width + 0", "width"), ("width * e", "width"), ("(width + width) * 2 // 4", "width"),
     ("width - (width - 3)", "3"), ("(1 - 1) // 2 + width", "width"), ("width * e // 2 * 2", None)],
)  # fmt: skip
def test_arithmetic_is_as_short_as_a_person_writes_it(written, shown, spec):
    source = archspec.emit(
        archspec.load(spec(HEAD + EQUAL.replace("WRITTEN", f"'{written}'") + END)), "torch", tried=True
    )["model.py"]
    if shown is not None:
        assert f"self.c1 = nn.Conv2d(in_channels, {shown}, kernel_size=1, bias=False)" in source
        other = "in_channels + 3" if shown == "3" else f"{shown} + in_channels"
        assert f"nn.Conv2d({other}, width, " in source or "nn.Conv2d(3 + in_channels, width, " in source


@pytest.mark.parametrize(
    ("args", "says", "help_"),
    [
        ("{width: int, mid: widht}", "`mid` declares no type that arguments have, and `widht` is no argument", "`width`"),
        ("{mid: width, width: int}", "and `width` is no argument before it", "`in_channels`, `int`"),
        ("{width: int, a: [x, y], mid: a}", "the default of `mid` is `a`, whose values are words", "a list of words"),
    ],
)  # fmt: skip
def test_a_default_that_is_neither_a_type_nor_an_argument_before_is_told_both(args, says, help_, spec):
    block = f"blocks: {{b: {{args: {args}, body: [{{conv: {{out: mid, kernel: 1}}}}]}}}}\n"
    found = archspec.check(spec("archspec: 1\n" + HEAD + block + "stages: [{name: s, block: b, width: 4}]\n" + END))
    told = next(d for d in found if d.code == "AS103")
    assert says in told.message
    assert help_ in (told.help or "")

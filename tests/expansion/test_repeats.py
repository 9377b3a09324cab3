"""Steps that stand several times: `repeat`, names by pattern, and tables of rows."""

import pytest

import archspec
from mistaken import marked

HEAD = "input: {channels: 4, size: 8}\nclasses: 3\n"
TAIL = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
CONV = "{conv: {out: 4, kernel: 1}}"
BLOCKS = """blocks:
  pair: {args: {width: int, stride: 1, deep: 1}, chain: [{conv: {out: width * deep, kernel: 3, stride: stride}}, norm]}
  res: {args: {width: int, stride: 1}, body: [{conv: {out: width, kernel: 3, stride: stride}}], merge: add}
"""


def names(net):
    return [name.removesuffix(".weight") for name in net.parameter_shapes() if name.endswith("weight")][:-1]


def whole(stem, args=""):
    return f"{args}{HEAD}{BLOCKS}stem:\n{stem}\n{TAIL}"


NAMED = {
    "- {conv: {out: 4, kernel: 1}, repeat: 3}": ["conv", "conv2", "conv3"],
    f"- {{layers: {CONV}, repeat: 2}}": ["layers.0", "layers.1"],
    f"- {{'l{{i + 1}}': {CONV}, repeat: 2}}": ["l1", "l2"],
    f"- {{layers: [{CONV}, relu], repeat: 2}}": ["layers.0.0", "layers.1.0"],
    f"- {{features: [{{conv: {{out: 4, kernel: 1}}, repeat: 2}}, relu, {CONV}]}}": [f"features.{i}" for i in (0, 1, 3)],
    f"- {{features: [{{first: {CONV}}}, {{'b-{{i}}': {CONV}, repeat: 2}}]}}": [f"features.{n}" for n in ("first", "b-0", "b-1")],
    f"- {{features: [relu, {{first: {CONV}}}, {CONV}]}}": ["features.first", "features.2"],
    f"- {{conv: [{CONV}, relu, {CONV}]}}": ["conv.0", "conv.2"],
    f"- {{layers: {CONV}, repeat: 0}}\n  - {{'l{{i}}': {CONV}, repeat: 0}}\n  - {CONV}": ["conv"],
    f"- {{'l{{i}}': {CONV}, repeat: 3, when: i != 1}}": ["l0", "l2"],
    f"- {{layers: {CONV}, repeat: 2, when: 1 > 2}}\n  - {CONV}": ["conv"],
    "- rows: {block: res, columns: [width], table: [[4], [4]]}": ["res.conv", "res2.conv"],
    "- layers: {rows: {block: res, columns: [width, repeat], table: [[4, 2], [4, 1]]}}": [f"layers.{i}.conv" for i in range(3)],
    "- layers: {rows: {block: res, columns: [width, repeat], table: [[4, 2], [4, 1]], group: true}}":
        [f"layers.{name}.conv" for name in ("0.0", "0.1", "1.0")],
    "- layers: {rows: {block: res, columns: [n, repeat], table: [[4, 1], [4, 2]], group: 's{row + 1}', name: 's{row + 1}-{i}'}}"
    .replace("block: res", "block: {res: {width: n}}"): [f"layers.{name}.conv" for name in ("s1.s1-0", "s2.s2-0", "s2.s2-1")],
    "- layers: {rows: {block: res, columns: [width, n], table: [[4, 2], [4, 3]], repeat: n - 1, name: 'b{index}of{blocks}'}}":
        [f"layers.b{i}of3.conv" for i in range(3)],
    f"- features: [relu, {{steps: [{CONV}, relu], repeat: 2}}, {CONV}]": [f"features.{i}" for i in (1, 3, 5)],
    f"- features: [{{steps: [{CONV}, {{steps: [relu, {CONV}], repeat: 2, when: i > 0}}], repeat: 2}}]":
        [f"features.{i}" for i in (0, 2, 3, 5)],
    f"- features: [{{steps: [{CONV}, {{steps: [relu, {CONV}], repeat: 2}}], repeat: 3, when: i != 1}}]":
        [f"features.{i}" for i in (0, 2, 4, 5, 7, 9)],
    f"- features: [{{steps: [[{CONV}, relu]], repeat: 2}}, {CONV}]": ["features.0.0", "features.1.0", "features.2"],
    f"- {{features: {{steps: [{CONV}, relu], repeat: 2}}}}": ["features.0", "features.2"],
    f"- {{steps: [{CONV}, norm, {{'l{{i}}': {CONV}}}], repeat: 2}}": [
        "conv", "batch_norm", "l0", "conv2", "batch_norm2", "l1"],
    f"- {{steps: [{CONV}, {{named: {CONV}}}], when: 1 > 2}}\n  - {CONV}": ["conv2"],
    f"- {{steps: [{CONV}], repeat: 0}}\n  - {CONV}": ["conv"],
    "- features: {rows: {block: [{steps: [{conv: {out: w, kernel: 1}}, relu], repeat: n}, {max_pool: {kernel: 2}}],"
    " columns: [w, n], table: [[4, 1], [6, 2], [8, 0]]}}": [f"features.{i}" for i in (0, 3, 5)],
    "- features: {rows: {block: [relu, {conv: {out: w, kernel: 1}}], columns: [w], table: [[4], [6]], group: 's{row}'}}":
        ["features.s0.1", "features.s1.1"],
    "- rows: {block: [{conv: {out: w, kernel: 1}}, relu], columns: [w, repeat], table: [[4, 1], [6, 2]]}":
        ["conv", "conv2", "conv3"],
}  # fmt: skip


@pytest.mark.parametrize("stem", NAMED)
def test_each_repetition_has_a_name_of_its_own(spec, stem):
    net = archspec.load(spec(whole(f"  {stem}")))
    assert names(net) == NAMED[stem]
    archspec.emit(net, "torch", tried=True)  # compares tensors and shapes with the core's


@pytest.mark.parametrize("stem", [s for s in NAMED if "-" in s[2:] or "group" in s or "repeat: 0" in s])
def test_flax_has_the_names_as_well(spec, stem):
    archspec.emit(archspec.load(spec(whole(f"  {stem}"))), "flax", tried=True)


def test_the_first_of_a_repetition_takes_the_stride(spec):
    net = archspec.load(spec(whole("  - {layers: {pair: {width: 4, stride: 2}}, repeat: 3}")))
    assert [row.output_shape[1] for row in net.modules() if row.op == "conv"] == [4, 4, 4]
    table = "  - layers: {rows: {block: pair, columns: [width, stride, repeat], table: [[4, 2, 2], [8, 2, 1]]}}"
    net = archspec.load(spec(whole(table)))
    assert [row.output_shape for row in net.modules() if row.op == "conv"] == [(4, 4, 4), (4, 4, 4), (8, 2, 2)]


def test_expressions_see_where_they_stand(spec):
    grown = "  - {layers: {pair: {width: 4 * (i + 1)}}, repeat: 3}"
    assert [row.output_shape[0] for row in archspec.load(spec(whole(grown))).modules() if row.op == "conv"] == [
        4,
        8,
        12,
    ]
    table = """  - layers:
      rows:
        block: {pair: {width: "divisible(wide * base, 8) + index", deep: blocks}}
        columns: [base, repeat]
        table: [[10, 2], [30, n]]
        repeat: ceil(repeat * 1.2)"""
    net = archspec.load(spec(whole(table, "args: {wide: 1.5, n: 1}\n")))
    widths = [row.output_shape[0] for row in net.modules() if row.op == "conv"]
    assert widths == [5 * w for w in (16, 17, 18, 51, 52)]


def test_a_column_may_be_called_as_what_its_cells_are_computed_from(spec):
    table = (
        "block: pair, columns: [width, repeat], table: [[width, 1], [2 * width, 2]], group: true, repeat: repeat"
    )
    for stem in (f"  - layers: {{rows: {{{table}}}}}", f"  - rows: {{{table.replace(', group: true', '')}}}"):
        net = archspec.load(spec(whole(stem, "args: {width: 3}\n")))
        assert [row.output_shape[0] for row in net.modules() if row.op == "conv"] == [3, 6, 6]


def test_cells_are_whatever_an_argument_takes(spec):
    conv = "{conv: {out: out * 2, kernel: 1}, when: how == 'b'}"
    text = f"""{HEAD}blocks: {{c: {{args: {{out: int, how: [a, b]}}, chain: [{conv}, relu]}}}}
stem: [{{rows: {{block: c, columns: [out, how], table: [[2, a], [3, b]]}}}}]
{TAIL}"""
    assert names(archspec.load(spec(text))) == ["c2.0"]


LISTED = """- layers: {rows: {block: {$kind: {stride: 1}}, columns: [kind, width, repeat], table: $rows}}
presets: {wide: {rows: [[pair, 8, 1]]}}"""


def test_a_column_says_what_each_row_applies_and_an_argument_is_the_table(spec):
    path = spec(
        whole(f"  {LISTED}", "args: {n: 4, rows: [[pair, n, 2], [res, 2 * n, 1], [conv_norm_act, 3, 1]]}\n")
    )
    net = archspec.load(path)
    assert names(net) == [f"layers.{n}" for n in ("0.0", "0.1", "1.0", "1.1", "2.conv", "3.0", "3.1")]
    assert [row.output_shape[0] for row in net.modules() if row.op == "conv"] == [4, 4, 8, 3]
    assert names(archspec.load(path, preset="wide")) == ["layers.0.0", "layers.0.1"]
    net = archspec.load(path, set={"n": 5, "rows": [["res", "n", 2]]})
    assert [row.output_shape[0] for row in net.modules() if row.op == "conv"] == [5, 5]


def test_a_block_sees_the_lists_of_its_spec_but_for_arguments_of_that_name(spec):
    block = "{body: [{rows: {block: conv_norm_act, columns: [width], table: $t}}, $l]}"
    text = f"args: {{t: [[4], [6]], l: [1]}}\n{HEAD}blocks: {{b: {block.replace('{body', '{args: {l: {layer: relu}}, body')}}}\n"
    assert names(archspec.load(spec(f"{text}stem: [b]\n{TAIL}"))) == [
        f"b.conv_norm_act{n}" for n in (".0", ".1", "2.0", "2.1")]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "stem", "expected"),
    [("t: [[4, [5]]]", "relu", ("AS103", "t")),
     ("t: {a: 4}", "relu", ("AS103", "t")),
     ("t: [[4], {a: 4}]", "relu", ("AS103", "t")),
     ("t: [4, ]", "{conv: {out: t, kernel: 1}}", ("AS202", "t")),
     ("t: [4]", "{conv: {out: $t, kernel: 1}}", ("AS103", "[4]")),
     ("t: [[4], [wide]]", "{rows: {block: res, columns: [width], table: $t}}", ("AS202", "wide")),
     ("t: [[4, 5]]", "{rows: {block: res, columns: [width], table: $t}}", ("AS103", "[4, 5]")),
     ("t: 4", "{rows: {block: res, columns: [width], table: $t}}", ("AS103", "$t")),
     ("t: [[rse, 4]]", "{rows: {block: $b, columns: [b, width], table: $t}}", ("AS301", "rse")),
     ("t: [[3, 4]]", "{rows: {block: $b, columns: [b, width], table: $t}}", ("AS204", "[3, 4]")),
     ("t: [[res, 4]]", "{rows: {block: $c, columns: [b, width], table: $t}}", ("AS202", "[res, 4]"))],
)  # fmt: skip
def test_lists_that_are_wrong_or_misplaced_are_told(mistakes, args, stem, expected):
    found = [d for d in mistakes(whole(f"  - {stem}", f"args: {{{args}}}\n")) if d.is_error]
    assert [(d.code, marked(d)) for d in found] == [expected]
    assert found[0].help


def test_repeated_layers_are_a_loop_in_source(spec):
    net = archspec.load(
        spec(
            whole(
                "  - layers: [{'block-{i}': {res: {width: 4}}, repeat: 3}]\n  - {again: {res: {width: 4}}, repeat: 5}"
            )
        )
    )
    source = archspec.emit(net, "torch")["model.py"]
    assert 'OrderedDict((f"block-{i}", Res(4, 4)) for i in range(3))' in source
    assert "*(Res(4, 4) for _ in range(5))" in source


ROWS = "rows: {block: res, columns: [width], table: [[4]]"
MISTAKES = {
    "- {conv: {out: 4, kernel: 1}, repeat: 1.5}": ("AS103", "1.5"),
    "- {conv: {out: 4, kernel: 1}, repeat: many}": ("AS202", "many"),
    "- {conv: {out: 4, kernel: 1}, repeat: 0 - 1}": ("AS104", "0 - 1"),
    "- {conv: {out: 4, kernel: 1}, repeat: 3 / 2}": ("AS204", "3 / 2"),
    "- {conv: {out: 4, kernel: 1}, repeat: 20000}": ("AS308", "20000"),
    "- {conv: {out: 4, kernel: 1}, repeat: 2 +}": ("AS201", "2 +"),
    "- {conv: {out: 4, kernel: 1}, repaet: 2}": ("AS305", "repaet"),
    "- {'l{j}': relu, repeat: 2}": ("AS202", "'l{j}'"),
    "- {'l{i': relu, repeat: 2}": ("AS106", "'l{i'"),
    "- {'{i}': relu, repeat: 2}": ("AS106", "'{i}'"),
    "- {'l{i / 2}': relu, repeat: 2}": ("AS204", "'l{i / 2}'"),
    "- {'l{0}': relu, repeat: 2}": ("AS107", "'l{0}'"),
    "- {a-b: relu}": ("AS106", "a-b"),
    f"- {ROWS}, colums: [width]}}": ("AS101", "colums"),
    "- rows: {columns: [width], table: [[4]]}": ("AS102", "{columns: [width], table: [[4]]}"),
    "- rows: {block: res, table: [[4]]}": ("AS102", "{block: res, table: [[4]]}"),
    "- rows: {block: res, columns: [width]}": ("AS102", "{block: res, columns: [width]}"),
    "- rows: {block: res, columns: [width], table: [[4, 2]]}": ("AS103", "[4, 2]"),
    "- rows: {block: res, columns: [width, stride], table: [4]}": ("AS103", "4"),
    "- rows: {block: res, columns: [width], table: []}": ("AS103", "[]"),
    "- rows: {block: res, columns: [width, width], table: [[4, 4]]}": ("AS107", "width"),
    "- rows: {block: res, columns: [3], table: [[4]]}": ("AS106", "3"),
    "- rows: {block: rse, columns: [width], table: [[4], [4]]}": ("AS301", "rse"),
    "- rows: {block: res, columns: [width], table: [[wide]]}": ("AS202", "wide"),
    "- rows: {block: res, columns: [depth], table: [[4]]}": ("AS304", "[4]"),
    "- rows: {block: {res: {width: depht}}, columns: [depth], table: [[4]]}": ("AS202", "depht"),
    "- rows: [res]": ("AS103", "[res]"),
    "- rows: {block: [], columns: [w], table: [[4]]}": ("AS305", "[]"),
    "- rows: {block: [relu], columns: [w], table: [[4]], name: l}": ("AS305", "l"),
    "- rows: {block: [{conv: {out: wide, kernel: 1}}], columns: [w], table: [[4]]}": ("AS202", "wide"),
    "- steps: []": ("AS305", "[]"),
    "- {steps: , repeat: 2}": ("AS305", ""),
    "- {steps: 3, repeat: 2}": ("AS103", "3"),
    "- {steps: relu, repeat: 2}": ("AS103", "relu"),
    "- {steps: {conv: {out: 4, kernel: 1}}, repeat: 2}": ("AS103", "{conv: {out: 4, kernel: 1}}"),
    "- {steps: [rleu], repeat: 2}": ("AS301", "rleu"),
    "- {steps: [relu, norm], repeat: many}": ("AS202", "many"),
    "- {steps: [relu, norm], repeat: 20000}": ("AS308", "20000"),
    "- {steps: [relu, norm], repaet: 2}": ("AS305", "repaet"),
    "- {steps: [relu, norm], when: many > 2}": ("AS202", "many > 2"),
    "- {steps: [relu, norm], when: 2 >}": ("AS201", "2 >"),
    "- {steps: [relu, norm], from: input}": ("AS305", "input"),
    "- {steps: [{x: relu}, norm], repeat: 2}": ("AS107", "x"),
    "- {steps: [[relu, norm]], repeat: 2}": ("AS305", "[relu, norm]"),
    "- features: [{steps: [relu, {norm: {}, from: input}], repeat: 2}]": ("AS305", "input"),
    "- features: {steps: [relu, {norm: {}, from: input}], repeat: 2}": ("AS305", "input"),
    "- features: {rows: {block: [relu, {norm: {}, from: input}], columns: [w], table: [[1], [2]]}}": ("AS305", "input"),
}  # fmt: skip


@pytest.mark.parametrize("stem", MISTAKES)
def test_mistakes_have_their_places_and_remedies(mistakes, stem):
    found = [d for d in mistakes(whole(f"  {stem}")) if d.is_error]
    assert [(d.code, marked(d)) for d in found] == [MISTAKES[stem]]
    assert found[0].help


def test_blocks_that_differ_in_one_argument_share_the_calls_that_do_not_depend_on_it(spec):
    net = archspec.load(spec(
        "input: {size: 8}\nclasses: 2\nshortcut: identity\n"
        "blocks: {b: {args: {rate: 0.0}, merge: add, body: [conv: {out: 3, kernel: 3}, drop: {drop_path: {rate: rate}}]}}\n"
        "stages: [{name: s, block: b, repeat: 3, rate: index / 4}]\nhead: [global_avg_pool, {linear: {out: classes}}]\n"
    ))  # fmt: skip
    _, second, third = (run.block for run in net.root.calls[0].target.runs)
    assert [call.target.rate for call in (second.calls[1], third.calls[1])] == [0.25, 0.5]
    assert [a is b for a, b in zip(second.calls, third.calls, strict=True)][:2] == [True, False]

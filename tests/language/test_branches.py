"""Branches that a merge lists: what they take, how they are named, and what is refused."""

import json

import pytest

import archspec
from archspec import SpecError

HEAD = "archspec: 1\ninput: {size: 8}\nclasses: 4\n"
END = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
LISTED = """
  - concat:
      - left: {conv: {out: 4, kernel: 1}}
      - [{conv: {out: 4, kernel: 1}}, norm, right: {conv: {out: 8, kernel: 3}}]
      - rows: {block: conv, name: "c{i}_{row}", columns: [out, kernel], table: [[4, 1], [8, 3]]}
  - joined: {add: [relu, [norm, sigmoid]]}
"""
BY_NAME = """
  - left: {conv: {out: 4, kernel: 1}}
  - {conv: {out: 4, kernel: 1}, from: input}
  - norm
  - right: {conv: {out: 8, kernel: 3}}
  - {c0_0: {conv: {out: 4, kernel: 1}}, from: input}
  - c0_1: {conv: {out: 8, kernel: 3}}
  - {concat: {}, from: [left, right, c0_1]}
  - relu
  - {norm: {}, from: concat}
  - sigmoid
  - joined: {add: {}, from: [relu, sigmoid]}
"""


def test_branches_are_the_steps_that_names_and_from_say():
    by_name = archspec.load(f"{HEAD}stem:{BY_NAME}{END}")
    listed = archspec.load(f"{HEAD}stem:{LISTED}{END}")
    assert listed.fingerprint == by_name.fingerprint
    for backend in ("torch", "flax"):
        assert archspec.emit(listed, backend)["model.py"] == archspec.emit(by_name, backend)["model.py"]


def test_branches_begin_at_what_from_names_and_later_steps_take_their_values():
    stem = """
  - a: {conv: {out: 4, kernel: 3}}
  - b: {conv: {out: 4, kernel: 3}}
  - {both: {mul: [{c: {conv: {out: 4, kernel: 1}}}, [{d: {conv: {out: 4, kernel: 1}}}, sigmoid]]}, from: a}
  - {add: {}, from: [both, b, c]}
"""
    net = archspec.load(f"{HEAD}stem:{stem}{END}")
    sources = {call.name: call.inputs for call in net.root.calls}
    assert sources["c"] == sources["d"] == ("a",)
    assert (sources["both"], sources["add"]) == (("c", "sigmoid"), ("both", "b", "c"))


MISTAKES = {
    "  - concat: [{conv: {out: 4, kernel: 1}}]": ("AS305", "merges two or more branches"),
    "  - concat: [[], relu]": ("AS305", "at least one step"),
    "  - {concat: [norm, relu], when: true}": ("AS305", "takes no `when`"),
    "  - {concat: [norm, relu], repeat: 2}": ("AS305", "takes no `repeat`"),
    "  - {concat: [norm, relu], from: [input, input]}": ("AS307", "all take one value"),
    "  - {concat: [norm, relu], from: inptu}": ("AS306", "no value `inptu`"),
    "  - {concat: [{a: norm}, {a: relu}]}": ("AS107", "`a` names two modules"),
    "  - {concat: [norm, relux]}": ("AS301", "called `relux`"),
    "  - {add: [{conv: {out: 4, kernel: 1}}, relu]}": ("AS401", "4x8x8 and 3x8x8"),
    "  - {class: {concat: [norm, relu]}}": ("AS106", "cannot name a module"),
    "  - chain: [{concat: [norm, relu]}]": ("AS305", "follows the one before"),
}


@pytest.mark.parametrize("stem", MISTAKES)
def test_mistakes_in_branches_are_said_once_where_they_are(stem):
    with pytest.raises(SpecError) as raised:
        archspec.load(f"{HEAD}stem:\n{stem}\n{END}")
    (problem,) = raised.value.diagnostics
    code, message = MISTAKES[stem]
    assert (problem.code, problem.span.line, message in problem.message) == (code, 4, True), problem.message
    assert problem.help


def test_a_merge_of_blocks_lists_no_branches():
    block = "blocks: {b: {body: [norm], merge: {add: [norm, relu]}}}\nshortcut: identity\nstem: [b]\n"
    with pytest.raises(SpecError, match="AS305"):
        archspec.load(HEAD + block + END)


def test_the_schema_takes_branches_and_tables_of_one_column(cli):
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    schema = json.loads(cli("schema").output)
    table = "  - rows: {block: {conv: {kernel: 1}}, columns: [out], table: [4, 8]}\n"
    jsonschema.validate(yaml.safe_load(f"{HEAD}stem:{LISTED}{table}{END}"), schema)


def test_a_table_of_one_column_lists_its_values():
    stem = "\nstem: [{rows: {block: {conv: {kernel: 1}}, columns: [out], table: %s}}]\n"
    rows = [archspec.load(HEAD + stem % table + END).fingerprint for table in ("[[4], [8]]", "[4, 8]")]
    assert rows[0] == rows[1]


def test_a_misspelt_column_is_said_once():
    """It is an argument that the rows then lack, which is not said again of each."""
    stem = "stem: [{rows: {block: conv, columns: [outt, kernel], table: [[4, 1], [8, 3]]}}]\n"
    with pytest.raises(SpecError) as raised:
        archspec.load(HEAD + stem + END)
    assert [(d.code, d.help) for d in raised.value.diagnostics] == [("AS303", "did you mean `out`?")]


def test_names_in_cells_stay_names_in_source():
    """A column that is called as an argument of the block around is written as what its cells say."""
    block = """
blocks:
  pair:
    args: {width: int}
    body:
      - rows: {block: conv, name: "conv{row}", columns: [out, kernel], table: [[width, 1], [2 * width, 3]]}
      - {rows: {block: unit, name: "unit{row}", columns: [width], table: [width, 2 * width]}}
  unit: {args: {width: int}, out: width, body: [conv: {conv: {out: width, kernel: 3}}, bn: norm]}
stem: [a: {pair: {width: 4}}, b: {pair: {width: 8}}]
"""
    source = archspec.emit(archspec.load(HEAD + block + END), "torch")["model.py"]
    assert "def __init__(self, in_channels: int, width: int)" in source
    assert "Unit(width, 2 * width)" in source

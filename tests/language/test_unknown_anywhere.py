"""Nothing unknown is accepted, used or not; and what is resolved is a spec that loads to the same net."""

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import archspec
from archspec.analysis.resolved_spec import resolved_yaml
from archspec.loading import zoo
from drawn_nets import nested_nets, random_nets
from mistaken import marked
from written_specs import HEAD

NET = """\
input: {size: 8}
classes: 10
stem: [{conv: {out: 4, kernel: 3}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""

UNKNOWN = {
    "an argument of the role norm": ("norm: {batch_norm: {epsilon: 1}}\n", "AS303", "epsilon"),
    "an argument of the role act": ("act: {relu: {slope: 0.1}}\n", "AS303", "slope"),
    "an argument of a shortcut that nothing merges": ("shortcut: {highway: {kernell: 3}}\n", "AS303", "kernell"),
    "a value of a role": ("norm: {batch_norm: {eps: -1}}\n", "AS104", "-1"),
    "a condition of a role": ('norm: {batch_norm: {}, when: "false"}\n', "AS305", "when"),
    "inputs of a role": ("norm: {batch_norm: {}, from: x}\n", "AS305", "from"),
    "a name of a role": ("act: {mine: relu}\n", "AS305", "mine"),
    "a default of a block": ("defaults: {bottleneck: {nonsense: 3}}\n", "AS303", "nonsense"),
    "a default of an operation": ("defaults: {max_pool: {kernell: 3}}\n", "AS303", "kernell"),
    "a default of nothing": ("defaults: {max_pol: {kernel: 3}}\n", "AS301", "max_pol"),
    "the value of a default": ("defaults: {max_pool: {kernel: 0}}\n", "AS104", "0"),
    "the grammar of a default": ("defaults: {bottleneck: {width: 3 +}}\n", "AS201", "3 +"),
    "an operation of a block": ("blocks: {dead: {body: [{cnov: {out: 4}}]}}\n", "AS301", "cnov"),
    "a value in a block": ("blocks: {dead: {body: [{conv: {out: 4, kernel: -3}}]}}\n", "AS104", "-3"),
    "a default argument of a block": ("blocks: {dead: {args: {k: .nan}, body: [relu]}}\n", "AS104", ".nan"),
    "an argument of a stage without repeats": (
        "stages: [{name: s, block: basic, width: 4, wat: 1, repeat: 0}]\n", "AS303", "wat"),
    "an argument of blocks after the first, where there is one": (
        "stages: [{name: s, block: basic, width: 4, wat: 1, first: {block: {basic: {width: 4}}}}]\n", "AS303", "wat"),
    "an argument in a preset": (
        "stages: [{name: s, block: basic, width: 4}]\npresets: {p: {stages.s.wat: 1}}\n", "AS303", "stages.s.wat"),
    "an argument that is no number": ("args: {x: .inf}\n", "AS104", ".inf"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_nothing_uses_is_checked_as_well(name, mistakes):
    line, code, place = UNKNOWN[name]
    found = [(d.code, marked(d)) for d in mistakes(NET + line) if d.is_error]
    assert found == [(code, place)]


def test_a_mistake_of_a_role_is_said_once_where_it_is_used_often(mistakes):
    found = mistakes(NET.replace("}}]\nhead", "}}, norm, {n2: norm}]\nhead") + "norm: {batch_norm: {epsilon: 1}}\n")
    assert [(d.code, marked(d)) for d in found] == [("AS303", "epsilon")]


def test_an_override_that_nothing_reads_is_warned_of(cli, spec):
    path = spec(NET.replace("out: 4", "out: width") + "args: {width: 4, depth: 1}\npresets: {deep: {depth: 9}}\n")
    assert cli("check", path, "--set", "width=8").output == "1 spec without errors\n"
    result = cli("summary", path, "--set", "depth=3")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "warning[AS313]: the argument `depth` is set, and nothing reads it\n  --> --set depth=3\n"
    )
    assert cli("check", f"{path}:deep", "--strict").exit_code == 1


@pytest.mark.parametrize("written", ["args.widht: 9", "args: {widht: 9}"])
def test_an_argument_that_a_preset_misspells_is_warned_of_chosen_or_not_and_corrected(written, cli, spec):
    path = spec(NET.replace("out: 4", "out: width") + f"args: {{width: 4}}\npresets: {{wide: {{{written}}}}}\n")
    for chosen in ("", ":wide"):
        result = cli("check", f"{path}{chosen}", "--strict")
        assert result.exit_code == 1
        assert "nothing reads it" in result.output
        assert "AS313" in result.output
        assert "help: did you mean `width`?" in result.output
    assert cli("check", path, "--fix").exit_code == 0
    assert f"presets: {{wide: {{{written.replace('widht', 'width')}}}}}\n" in path.read_text()


def test_an_argument_that_is_declared_and_never_read_is_warned_of(cli, spec):
    path = spec(
        NET.replace("out: 4", "out: width") + "args: {width: 4, depth: 1, left: 2}\npresets: {deep: {depth: 9}}\n"
    )
    result = cli("check", path)
    assert result.exit_code == 0
    assert result.output.startswith("warning[AS313]: the argument `left` is declared, and nothing reads it\n")
    assert cli("check", path, "--fix").exit_code == 0
    assert "args: {width: 4, depth: 1}\n" in path.read_text()


def test_declarations_that_a_preset_or_another_declaration_uses_are_used(mistakes):
    text = (
        NET
        + """\
blocks:
  inner: {body: [relu]}
  outer: {body: [inner]}
  left: {body: [relu]}
  lost: {body: [relu]}
shortcuts: {mine: {}, other: {}}
stages: [{name: s, block: outer, repeat: 0}]
presets: {p: {stages.s.block: left, shortcut: mine}}
"""
    )
    assert [(d.code, marked(d)) for d in mistakes(text)] == [("AS313", "lost"), ("AS313", "other")]


RELATIVES = Path(__file__).parents[3] / "shared" / "relatives"
SPECS = sorted([*zoo.folder().glob("*.yaml"), *RELATIVES.glob("*.yaml")])


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_a_resolved_spec_loads_to_the_same_net(path, tmp_path):
    net = archspec.load(path)
    resolved = tmp_path / path.name
    resolved.write_text(resolved_yaml(net))
    again = archspec.load(resolved)
    assert (again.fingerprint, again.cost, again.recipe) == (net.fingerprint, net.cost, net.recipe)
    assert [d.message for d in again.warnings] == [d.message for d in net.warnings if d.code != "AS313"]
    assert resolved_yaml(again) == resolved.read_text()


@settings(max_examples=40, deadline=None)
@given(text=st.one_of(random_nets(), nested_nets()))
def test_a_random_spec_that_is_resolved_loads_to_the_same_net(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_text(HEAD + text)
    assume(not any(d.is_error for d in archspec.check(path)))  # of some shortcuts the sizes do not fit
    net = archspec.load(path)
    path.write_text(resolved_yaml(net))
    assert archspec.load(path).fingerprint == net.fingerprint


@pytest.mark.parametrize(
    ("rows", "idle"),
    [
        ("block: basic, columns: [width, odd], table: [[4, 1], [8, 2]]", "odd"),
        (
            "block: $kind, columns: [kind, out, odd, kernel], group: true, table: [[conv, 4, 1, 1], [conv, 4, 1, 3]]",
            "odd",
        ),
        ("block: [{conv: {out: w, kernel: 1}}], columns: [w, odd], table: [[4, 1]]", "odd"),
        ("block: {conv: {kernel: k}}, columns: [out, k, repeat], table: [[4, 1, 2]]", None),
        ("block: basic, name: 'l{n}', columns: [width, n], table: [[4, 1], [8, 2]]", None),
    ],
)
def test_a_column_that_nothing_reads_is_said(rows, idle, mistakes):
    found = mistakes(
        f"input: {{size: 8}}\nclasses: 2\nstem: [{{rows: {{{rows}}}}}]\nhead: [global_avg_pool, {{linear: {{out: classes}}}}]\n"
    )
    assert [(d.code, marked(d)) for d in found] == ([("AS313", idle)] if idle else [])

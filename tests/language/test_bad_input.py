"""Whatever a user can get wrong in a spec ends in one clear message at its place that says what to do about it."""

import pytest

from mistaken import NET, stage

# text, the code that must come, and a word of its message or help
TEXTS = {
    "empty": ("archspec:", "AS10", ""),
    "not yaml": (NET + "x: [1, 2", "AS002", ""),
    "tab": (NET + "init:\n\tconv: he_normal_fan_in\n", "AS002", "spaces"),
    "duplicate key": (NET + "classes: 5\n", "AS003", "classes"),
    "alias loop": (NET + "doc: &a [*a]\n", "AS004", "itself"),
    "unknown anchor": (NET + "doc: *nowhere\n", "AS004", "nowhere"),
    "python tag": (NET + "doc: !!python/object/apply:os.system [true]\n", "AS006", "tag"),
    "two documents": (NET + "---\na: 1\n", "AS006", "second"),
    "merge key": (NET + "defaults: {<<: {}}\n", "AS006", "extends"),
    "NUL": (NET + 'doc: "a\0b"\n', "AS002", ""),
    "unknown key": (NET + "stagse: []\n", "AS101", "stages"),
    "bool as number": (NET.replace("classes: 4", "classes: true"), "AS103", "true"),
    "text as number": (NET.replace("classes: 4", "classes: many"), "AS", "many"),
    "zero classes": (NET.replace("classes: 4", "classes: 0"), "AS104", "1"),
    "negative size": (NET.replace("size: 8", "size: -8"), "AS104", ""),
    "NaN": (NET.replace("out: 8", "out: .nan"), "AS104", ""),
    "inf": (NET.replace("out: 8", "out: .inf"), "AS104", ""),
    "huge": (NET.replace("out: 8", f"out: {'9' * 400}"), "AS104", ""),
    "huge size": (NET.replace("size: 8", "size: 99999999999"), "AS104", ""),
    "fraction": (NET.replace("out: 8", "out: 8 / 3"), "AS204", "//"),
    "whole float": (NET.replace("out: 8", "out: 8.0"), "AS204", "write 8"),
    "division by zero": (NET.replace("out: 8", "out: 8 // 0"), "AS203", "zero"),
    "root of less than zero": (NET.replace("out: 8", "out: floor(sqrt(-8))"), "AS203", "root of -8"),
    "unknown name": (NET.replace("out: 8", "out: widht"), "AS202", "widht"),
    "negative kernel": (NET.replace("kernel: 3", "kernel: -3"), "AS104", ""),
    "zero stride": (NET.replace("kernel: 3", "kernel: 3, stride: 0"), "AS104", ""),
    "bool kernel": (NET.replace("kernel: 3", "kernel: yes"), "AS202", "yes"),
    "list kernel": (NET.replace("kernel: 3", "kernel: [3, 3, 3]"), "AS103", "height"),
    "repeats": (stage(repeat="1e9"), "AS", "repeat"),
    "many repeats": (stage(repeat=1_000_000_000), "AS104", "repeat"),
    "modules": (stage(repeat=10_000).replace("block: basic", "block: many")
                + "blocks: {many: {args: {width: 1, stride: 1}, body: ["
                + ", ".join(["relu"] * 60) + "]}}\n", "AS308", "500,000"),
    "keyword as name": (stage(name="class"), "AS106", "Python"),
    "quotes in name": (stage(name="'a\"b'"), "AS106", "letters"),
    "code in name": (stage(name="'x; import os'"), "AS106", "letters"),
    "newline in name": (stage(name='"a\\nb"'), "AS106", "letters"),
    "look-alike in name": (stage(name="ѕtage"), "AS106", "ASCII"),
    "framework's name": (stage(name="forward"), "AS106", ""),
    "keyword as class": (NET + "class_name: class\n", "AS106", "Python"),
    "no class name": (NET + "class_name: ResNet-50\n", "AS106", "letters"),
    "class of an import": (NET + "class_name: nn\n", "AS106", "imports"),
    "two modules of one name": (NET.replace("[{conv:", "[{a: relu}, {a: relu}, {conv:"), "AS107", "`a`"),
    "window too large": (NET.replace("kernel: 3", "kernel: 11, padding: 0"), "AS402", "11"),
    "groups": (NET.replace("kernel: 3", "kernel: 3, groups: 2"), "AS403", "groups"),
    "identity across": (stage(stride=2) + "shortcut: identity\n", "AS405", "projection"),
    "unknown shortcut": (stage() + "shortcut: projektion\n", "AS301", "projection"),
    "unknown block": (stage("basik"), "AS301", "basic"),
    "block uses itself": (stage("a") + "blocks: {a: {args: {width: 1, stride: 1}, body: [{a: {}}]}}\n", "AS302", "a > a"),
    "unknown argument": (stage(widht=3), "AS303", "width"),
    "missing argument": (NET.replace("out: 8, ", ""), "AS304", "out"),
    "place outside of a repetition": (NET.replace("[{conv:", "[{'a{i}': relu}, {conv:"), "AS202", "has `repeat`"),
    "row outside of a table": (NET.replace("out: 8", "out: 8 + row"), "AS202", "its `rows`"),
    "repetitions of one name": (NET.replace("[{conv:", "[{'a{i // 2}': relu, repeat: 2}, {conv:"), "AS107", "`layer{i + 1}`"),
    "open brace in a name": (NET.replace("[{conv:", "[{'a{i': relu, repeat: 2}, {conv:"), "AS106", "between braces"),
    "word as a count": (NET.replace("[{conv:", "[{rows: {block: relu, columns: [repeat], table: [[two]]}}, {conv:"),
                        "AS202", "unknown name `two`"),
    "table of no argument": (NET.replace("[{conv:", "[{rows: {block: relu, columns: [repeat], table: $t}}, {conv:"),
                             "AS103", "`args`"),
    "unknown value": (NET.replace("head: [", "head: [{add: {}, from: [nothing, input]}, "), "AS306", "nothing"),
    "one input to add": (NET.replace("head: [", "head: [add, "), "AS307", ""),
    "shapes at add": (NET.replace("head: [", "head: [{add: {}, from: [input, conv]}, "), "AS401", "3x8x8"),
    "linear on an image": (NET.replace("global_avg_pool, ", ""), "AS404", "vector"),
    "wrong classes": (NET.replace("out: classes", "out: 5"), "AS406", "4"),
    "drifted": (NET + "expect: {params: 1}\n", "AS501", "1"),
    "unknown recipe": (NET + "train: {recipe: cifar_resnett}\n", "AS601", "cifar_resnet"),
    "a phase that never ends": (NET + "train: {recipe: digits, lr: [{value: 1}, {value: 2}]}\n", "AS602", "until"),
    "data of another shape": (NET + "train: {recipe: cifar_resnet}\n", "AS603", "32"),
    "half the padding": (NET.replace("head: [", "head: [{max_pool: {kernel: 2, padding: 2}}, "), "AS104", "half"),
    "unknown preset": (NET + "extends: resnet18:papr\n", "AS1", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_mistakes_are_said_at_their_place(case, spec, cli):
    text, code, word = TEXTS[case]
    path = spec(text)
    result = cli("check", path)
    assert result.exit_code == 1
    assert f"error[{code}" in result.output
    assert word in result.output
    assert f"{path}:" in result.output, "the file, line and column are there"
    assert result.output.count("error[") == result.output.count("= help: "), "each says what to do about it"
    assert "Traceback" not in result.output


def test_all_mistakes_of_a_file_come_in_one_run(mistakes):
    text = """
input: {channels: 3, size: 8, depth: 4}
classes: 4
shortcut: projektion
stem: [{conv: {out: 8, kernal: 3}}, {bn: nrm}]
stages:
  - {name: class, block: basic, width: 8}
  - {name: s2, block: basik, width: 8}
head: [global_avg_pool, {fc: {linear: {out: clases}}}]
train: {recipe: digitz}
"""
    found = mistakes(text)
    assert {d.code for d in found} == {"AS101", "AS301", "AS303", "AS106", "AS202", "AS601"}
    assert all(d.span is not None for d in found)
    assert sum("did you mean" in (d.help or "") for d in found) >= 5


def test_mistakes_of_the_recipe_hide_none_of_the_net(mistakes):
    found = mistakes(
        "input: {size: 8}\nclasses: 3\nshortcut: identity\nstages: [{name: s, block: basic, width: 4, stride: 2}]\n"
        "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\ntrain: {steps: 1, epochs: 1}\n"
    )
    assert [d.code for d in found] == ["AS405", "AS602"]


def test_a_mistake_inside_a_used_block_shows_declaration_and_use(mistakes):
    text = (
        stage("mine", name="layer1")
        + "blocks: {mine: {args: {width: 1, stride: 1}, body: [{conv: {out: width}}]}}\n"
    )
    (found,) = mistakes(text)
    assert found.code == "AS304"
    assert any("layer1.0" in r.message for r in found.related)
    assert found.span.line > next(r for r in found.related if "layer1.0" in r.message).span.line


def test_a_mismatch_at_a_merge_names_both_sides(mistakes):
    text = """
input: {channels: 3, size: 32}
classes: 10
shortcut: identity
stem: [{conv1: {conv: {out: 16, kernel: 3}}}]
stages: [{name: s, block: basic, width: 32, stride: 2}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
    (found,) = mistakes(text)
    assert found.code == "AS405"
    assert "32x16x16" in found.message
    assert "16x32x32" in found.message
    for fits in ("zero_pad", "projection", "projection_all"):
        assert f"`{fits}`" in found.help
    assert any("comes from here" in r.message for r in found.related)

"""`check --fix`: what is certain is put right in the text, and everything else of a file stays as it is."""

import os
import random
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archspec
from archspec.diagnostics.fixes import certain, distance
from archspec.loading import zoo
from archspec.syntax.fix import fix

NET = """\
archspec: 1
name: net
input: {channels: 1, size: 8}
classes: 10
args: {width: 8}
stem:
  - conv1: {conv: {out: width, kernel: 3}}
  - relu: act
stages:
  - {name: layer1, block: basic, width: 16, stride: 2}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {recipe: digits}
"""

MISTAKES = {
    "a key": ("classes", "clases"),
    "a key in a mapping": ("channels", "chanels"),
    "an operation": ("{conv:", "{cnov:"),
    "a role": ("relu: act", "relu: atc_ion"),
    "an argument": ("kernel", "kernl"),
    "an argument of a block": ("width: 16", "widht: 16"),
    "a key of a stage": ("stride", "strid"),
    "a block": ("basic", "baisc"),
    "a recipe": ("digits", "digts"),
    "a name in an expression": ("out: classes", "out: clases"),
    "a whole number with a point": ("kernel: 3", "kernel: 3.0"),
    "a size with a point": ("size: 8", "size: 8.0"),
    "a division of whole numbers": ("out: width,", "out: width / 2,"),
    "the version as text": ("archspec: 1", "archspec: '1'"),
    "padding by a word": ("kernel: 3", "kernel: 3, padding: valid"),
    "a truth value of older YAML": ("kernel: 3", "kernel: 3, bias: yes"),
    "a truth value in quotes": ("kernel: 3", 'kernel: 3, bias: "off"'),
    "an argument in words of others": ("kernel: 3", "kernel_size: 3"),
    "an operation in words of others": ("{conv:", "{Conv2D:"),
    "a percentage": ("- relu: act", "- {dropout: {rate: 50%}}"),
    "a word of a recipe": ("recipe: digits", "recipe: digits, data: {normalize: per_chanel}"),
    "a truth value of a recipe": ("recipe: digits", "recipe: digits, sync_batch_norm: on"),
    "a key of a recipe": ("recipe: digits", "recipe: digits, bach_size: 64"),
    "a value to take": ("- relu: act", "- {relu: act, from: con1}"),
    "the word before it": ("- relu: act", "- {relu: act, form: conv1}"),
    "a letter of another alphabet": ("classes", "cl\u0430sses"),
}
MEANT = {
    "a role": None,  # which is like nothing: nobody knows
    "a size with a point": "size: 8",
    "a division of whole numbers": "out: width // 2,",
    "padding by a word": "kernel: 3, padding: 0",
    "a truth value of older YAML": "kernel: 3, bias: true",
    "a truth value in quotes": "kernel: 3, bias: false",
    "a percentage": "- {dropout: {rate: 0.5}}",
    "a word of a recipe": "recipe: digits, data: {normalize: per_channel}",
    "a truth value of a recipe": "recipe: digits, sync_batch_norm: true",
    "a key of a recipe": "recipe: digits, batch_size: 64",
    "a value to take": "- {relu: act, from: conv1}",
    "the word before it": "- {relu: act, from: conv1}",
}


def mistaken(*names: str) -> tuple[str, str]:
    """A text with mistakes, and what they were meant to be."""
    wrong = right = NET
    for name in names:
        before, after = MISTAKES[name]
        wrong = wrong.replace(before, after, 1)
        meant = MEANT.get(name, before)
        right = right.replace(before, after if meant is None else meant, 1)
    return wrong, right


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_certain_is_put_right(name, cli, spec):
    wrong, right = mistaken(name)
    path = spec(wrong)
    result = cli("check", path, "--fix")
    assert path.read_text() == right
    assert ("fixed" in result.output) == (wrong != right)


def test_all_of_them_are_put_right_in_one_run(cli, spec):
    names = [
        "a key",
        "an operation",
        "an argument",
        "a key of a stage",
        "a block",
        "a name in an expression",
        "a key of a recipe",
    ]
    wrong, right = mistaken(*names)
    path = spec(wrong)
    result = cli("check", path, "--fix")
    assert (path.read_text(), result.exit_code) == (right, 0)
    assert result.output.endswith(f"{len(names)} fixed; 1 spec without errors\n")


def test_a_diff_writes_nothing_and_can_be_applied(cli, spec, tmp_path):
    wrong, right = mistaken("a key", "an argument")
    path = spec(wrong)
    result = cli("check", path, "--diff")
    assert (path.read_text(), result.exit_code) == (wrong, 1)
    assert result.stdout.startswith(f"--- {path}\n+++ {path}\n@@ ")
    assert "-clases: 10\n+classes: 10\n" in result.stdout
    assert cli("check", spec(right, "right.yaml"), "--diff").stdout == ""
    left = cli("check", spec(wrong.replace("size: 8", "size: -8")), "--diff")
    assert left.stderr.endswith("1 error in 1 file\n"), left.stderr


@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "  # \u65e5\u672c \U0001f600\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("archspec: 1\n", "archspec: 1\ndoc: |\n  First clases\n    kernl\n\n\n"),
        lambda text: text.replace("archspec: 1\n", "archspec: 1\ndoc: >-\n  \u00e9\u0301\tclases\u2028\n"),
        lambda text: text.replace(", ", ",\t"),
        lambda text: text.replace("kernl: 3", "kernl: &k 3").replace("clases", "&c clases"),
        lambda text: text.replace("{out: width", "{\n     # in between\n     out: width"),
        lambda text: text.replace("clases", '"clases"').replace("classes: 10", '"classes": 10'),
    ],
)  # fmt: skip
def test_everything_else_of_a_file_stays(dressed, cli, tmp_path):
    wrong, _ = mistaken("a key", "an argument", "a block")
    path = tmp_path / "net.yaml"
    path.write_bytes(dressed(wrong).encode())
    before = archspec.check(path)
    cli("check", path, "--fix")
    expected = dressed(wrong).replace("clases: 10", "classes: 10").replace('"clases": 10', '"classes": 10')
    for one, other in (("{out: width, kernl", "{out: width, kernel"), ("kernl:", "kernel:"), ("baisc", "basic")):
        expected = expected.replace(one, other)
    assert len(before) >= 3
    assert path.read_bytes().decode() == expected


UNUSED = {
    "a block among others": (
        "blocks:\n  # of the one\n  one: {body: [relu]}  # aside\n\n  # of the other\n"
        "  two:\n    doc: |\n      text\n\n    body:\n      - relu\n\n",
        "blocks:\n  # of the one\n  one: {body: [relu]}  # aside\n\n  # of the other\n\n", "one"),
    "the first block": (
        "blocks:\n  two:\n    body:\n      - relu   # last\n  # of the one\n  one: {body: [relu]}\n",
        "blocks:\n  # of the one\n  one: {body: [relu]}\n", "one"),
    "all of them": ("blocks:\n  one:\n    body: [relu]\n  two: {body: [relu]}\n# the end", "# the end", None),
    "the section": ("blocks:\n  one:\n    body: [relu]\n", "", None),
    "one of a line": ("blocks: {one: {body: [relu]}, two: {body: [relu]}}\n", "blocks: {one: {body: [relu]}}\n", "one"),
    "the first of a line": ("blocks: {two: {body: [relu]}, one: {body: [relu]}}\n", "blocks: {one: {body: [relu]}}\n", "one"),
    "a shortcut": ("shortcuts: {mine: {body: [relu]}}\n", "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSED)
def test_what_nothing_uses_is_taken_out_and_comments_stay(name, cli, spec):
    text, expected, used = UNUSED[name]
    net = NET.replace("- relu: act", "- relu: act\n  - one") if used else NET
    path = spec(net + text)
    result = cli("check", path, "--fix")
    assert (path.read_text(), result.exit_code) == (net + expected, 0)
    assert "warning" not in result.output


def test_fixes_that_overlap_are_applied_in_rounds(cli, spec):
    path = spec(NET.replace("out: width,", "out: widht / 2,"))
    assert cli("check", path, "--fix").exit_code == 0
    assert "out: width // 2," in path.read_text()


def test_what_a_fix_brings_to_light_is_said_and_never_more_than_before(cli, spec):
    path = spec(NET.replace("classes: 10", "classes: 9").replace("digits", "digts"))  # which has ten classes
    result = cli("check", path, "--fix")
    assert "digts" in path.read_text()
    assert f"{path} is left as it is: its fixes would not leave fewer errors" in result.stderr


def test_warnings_that_a_fix_brings_to_light_are_no_reason_against_it(cli, spec):
    aside = "- relu: act\n  - {conv2: {conv: {out: 8, kernel: 3}}, from: conv1}"
    path = spec(NET.replace("digits", "digts").replace("- relu: act", aside))
    result = cli("check", path, "--fix")
    assert (result.exit_code, "recipe: digits" in path.read_text()) == (0, True)
    assert "warning[AS311]: `relu` reaches no output" in result.output


def test_only_what_is_given_is_changed(cli, spec, tmp_path):
    base = spec(NET.replace("kernel", "kernl"), "base.yaml")
    child = spec("archspec: 1\nextends: base.yaml\nclases: 10\n", "child.yaml")
    before = base.read_bytes()
    result = cli("check", child, "--fix")
    assert base.read_bytes() == before
    assert child.read_text() == "archspec: 1\nextends: base.yaml\nclasses: 10\n"
    assert (result.exit_code, "no argument `kernl`" in result.output) == (1, True)
    assert cli("check", "resnet18", "--fix", "--set", "stages.layer1.width=64.0").exit_code == 1


def test_a_link_stays_one_and_rights_stay(cli, spec, tmp_path):
    wrong, right = mistaken("a key")
    path = spec(wrong)
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    assert cli("check", link, "--fix").exit_code == 0
    assert link.is_symlink()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (right, 0o640)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.yaml", "net.yaml"]


def test_a_file_that_may_not_be_written_is_refused(cli, spec):
    wrong, _ = mistaken("a key")
    path = spec(wrong)
    path.chmod(0o444)
    result = cli("check", path, "--fix")
    assert (result.exit_code, path.read_text()) == (2, wrong)
    assert f"cannot fix {path}: it may not be written" in result.stderr
    assert "chmod u+w" in result.stderr


def test_a_file_that_another_changed_meanwhile_is_kept(spec):
    path = spec(mistaken("a key")[0])
    result = fix(path, str(path), lambda: archspec.check(path))
    path.write_text(NET)
    with pytest.raises(Exception, match="was changed meanwhile"):
        result.write()
    assert path.read_text() == NET


def test_folders_and_presets_are_fixed_too(cli, spec, tmp_path):
    wrong, right = mistaken("an argument")
    paths = [spec(wrong, f"nets/{name}.yaml") for name in "ab"]
    assert cli("check", tmp_path / "nets", "--fix").exit_code == 0
    assert [path.read_text() for path in paths] == [right] * 2
    preset = spec(wrong + "presets: {wide: {width: 16}}\n")
    assert cli("check", f"{preset}:wide", "--fix").exit_code == 0
    assert preset.read_text() == right + "presets: {wide: {width: 16}}\n"


@pytest.mark.parametrize("format", ["json", "sarif", "github"])
def test_programs_are_told_what_is_left(format, cli, spec):
    path = spec(mistaken("a key")[0])
    shown = cli("check", path, "--format", format).stdout
    result = cli("check", path, "--fix", "--format", format)
    assert result.exit_code == 0
    assert "clases" not in result.stdout
    assert f"fixed {path}:4:1: write `classes`" in result.stderr
    if format != "github":
        assert '"text": "classes"' in shown, "the fix is data"
    if format == "sarif":
        assert '"fixes"' in shown


def test_a_diff_is_no_report(cli, spec):
    result = cli("check", spec(NET), "--diff", "--format", "json")
    assert (result.exit_code, "leave one of them out" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("word", "known"),
    [("resnet35", ["resnet34", "resnet18"]), ("adam", ["adamw", "sgd"]), ("prelu", ["relu"]), ("elu", ["relu", "gelu"]),
     ("conv2d", ["conv"]), ("con", ["conv"]), ("selu", ["silu"]), ("ab", ["a", "abc"]), ("layer5", ["layer4"]), ("x", [])],
)  # fmt: skip
def test_a_guess_is_no_fix(word, known):
    assert certain(word, known) is None


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_distance_of_words_is_one(one, other):
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance(one, other) <= max(len(one), len(other))


SPECS = sorted(zoo.folder().glob("*.yaml"))


def mutated(text: str, seed: int) -> str:
    """A text with some letters put in, taken out, changed or swapped, outside its comments."""
    chance, letters = random.Random(seed), list(text)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(letters) - 1)
        match chance.randrange(4):
            case 0:
                del letters[at]
            case 1:
                letters.insert(at, chance.choice("abcde_0 \u65e5"))
            case 2:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            case _:
                letters[at] = chance.choice("aeiou: ,{}")
    return "".join(letters)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 10**6))
def test_fixing_leaves_fewer_mistakes_or_the_file_and_is_done_at_once(tmp_path_factory, path, seed):
    draft = tmp_path_factory.getbasetemp() / f"draft-{os.getpid()}" / path.name
    draft.parent.mkdir(exist_ok=True)
    draft.write_text(mutated(path.read_text(), seed))

    def check():
        return archspec.check(draft)

    before = check()
    once = fix(draft, str(draft), check)
    if once.after == once.before:
        assert once.applied == ()
        return
    once.write()
    after = check()
    assert list(map(str, after)) == list(map(str, once.left))
    weights = [(sum(d.is_error for d in found), len(found)) for found in (after, before)]
    assert weights[0] < weights[1], "fewer mistakes, or as many and fewer warnings"
    again = fix(draft, str(draft), check)
    assert again.after == again.before


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_valid_files_are_left_to_the_byte(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    result = fix(copy, str(copy), lambda: archspec.check(copy))
    assert (result.before, result.applied) == (result.after, ())


SPARE = "blocks:\n  spare:\n    body: [relu]\n"


@pytest.mark.parametrize(
    "mistake",
    [
        ("size: 8", "size: -8"),
        ("{linear: {out: classes}}", "{linear: {out: 9}}"),
        ("kernel: 3", "kernel: 99, groups: 3"),
    ],
)
def test_what_nothing_uses_is_taken_out_beside_mistakes(mistake, cli, spec):
    net = NET.replace(*mistake)
    path = spec(net + SPARE)
    assert "the block `spare` is declared, and nothing uses it" in cli("check", path).output
    result = cli("check", path, "--fix")
    assert (path.read_text(), result.exit_code) == (net, 1)


@pytest.mark.parametrize(
    ("net", "block"),
    [
        (NET.replace("basic", "spaer_one"), SPARE),
        (NET.replace("stages", "stagez").replace("basic", "spare"), SPARE),
        (NET.replace("block: basic, ", ""), SPARE),
        (NET, SPARE.replace("relu", "{conv: {kernel: 3}}")),
        (NET + "presets: {small: {stages: [{name: s, block: sparing, width: 8}]}}\n", SPARE),
    ],
)
def test_what_may_be_meant_or_is_being_written_is_not_taken_out(net, block, cli, spec):
    path = spec(net + block)
    cli("check", path, "--fix")
    assert "  spare:\n" in path.read_text()

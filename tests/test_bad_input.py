"""Whatever a user can get wrong in a spec ends in one clear message at its place, quickly and in little memory."""

import resource
import subprocess
import sys
import time

import pytest

import archspec

NET = """
input: {channels: 3, size: 8}
classes: 4
stem: [{conv: {out: 8, kernel: 3}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


def stage(block="basic", **arguments):
    listed = ", ".join(f"{k}: {v}" for k, v in {"name": "s", "block": block, "width": 8, **arguments}.items())
    return NET.replace("head:", f"stages: [{{{listed}}}]\nhead:")


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


FILES = {
    "empty file": b"",
    "only comments": b"# nothing\n",
    "a list": b"- a\n- b\n",
    "a number": b"42\n",
    "UTF-16": "archspec: 1\n".encode("utf-16"),
    "Latin-1": "doc: é\n".encode("latin-1"),
    "binary": bytes(range(256)),
    "NUL bytes": b"\0" * 100,
    "tabs": b"\t\t\n",
    "10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "20,000 deep, indented": b"".join(b"- " * 1 for _ in range(20_000)),
    "flow maps deep": b"{a: " * 20_000,
    "billion laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(12)),
    "alias chain": b"a: &a {k: 1}\n" + b"".join(b"b%d: [*a, *a]\n" % i for i in range(30_000)),
    "50 MB": b"a: b\n" * (10 << 20),
    "long line": b"a: " + b"x" * 900_000,
    "many keys": b"".join(b"k%d: 1\n" % i for i in range(60_000)),
}


@pytest.mark.parametrize("case", FILES)
def test_hostile_files_are_refused_fast_and_small(case, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_bytes(FILES[case])
    code = "from archspec_cli.main import main; main()"
    start = time.perf_counter()
    limit = 400 << 20  # of address space; an empty interpreter with the libraries takes less than half of it
    done = subprocess.run(
        [sys.executable, "-c", code, "check", str(path)],
        capture_output=True, text=True, timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "error[AS" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stdout) < 5_000
    assert time.perf_counter() - start < 10, "refused long before the whole file is looked at"


SYNTAX = {
    "brace that is not closed": (NET.replace("classes}}}]", "classes}}]"), (5, 54), "close the `{` of line 5, column 25"),
    "bracket that is not closed": ("stem: [relu, {a: relu}\n" + NET, (3, 1), "close the `[` of line 1, column 7"),
    "comma that is missing": (NET.replace("8, kernel", "8 kernel"), (4, 29), "put a `,` between its items"),
    "colon that is missing at the end": (NET + "shortcut none\n", (6, 1), "write `key: value`"),
    "colon that is missing": (NET.replace("classes: 4", "classes 4"), (3, 1), "write `key: value`"),
    "colon that is missing in a line": (NET.replace("input:", "input"), (2, 25), "a `:` is missing"),
    "colon too many": (NET + "doc: a: b\n", (6, 7), "in quotes"),
    "text in braces": (NET + "name: {n}-net\n", (6, 10), "put text that begins with `{` or `[` in quotes"),
    "doubled braces": (NET + "name: {{n}}\n", (6, 8), "text that begins with one stands in quotes"),
    "quote that is not closed": (NET + 'doc: "abc\n', (6, 6), "close the quote that begins here"),
    "sign of YAML": (NET + "doc: @abc\n", (6, 6), "in quotes"),
    "unknown escape": (NET + 'doc: "a\\d"\n', (6, 8), "use single quotes"),
    "key in another column": (NET + " doc: net\n", (6, 2), "in one column"),
    "control character": (NET + "doc: \"é\u200bé\x07\"\n", (6, 10), "remove it"),
    "NUL": (NET + 'doc: "a\0b"\n', (6, 8), "remove it"),
    "Latin-1": ((NET + "doc: a é\n").encode("latin-1"), (6, 8), "save the file as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", SYNTAX)
def test_what_is_not_yaml_is_said_where_it_is_with_what_began_before(case, tmp_path):
    text, place, word = SYNTAX[case]
    path = tmp_path / "net.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = archspec.check(path)
    assert (found.span.line + 1, found.span.column + 1) == place
    assert word in found.help


@pytest.mark.parametrize(
    ("name", "code", "marked_", "help_"),
    [
        ("net-{{n}}", "AS201", "net-{{n}}", "`net-{n}`"),
        ("net-{n", "AS201", "net-{n", "with both braces"),
        ("net-n}", "AS201", "net-n}", "with both braces"),
        ("net-$n", "AS201", "net-$n", "write `{n}`"),
        ("'net-${n}'", "AS201", "'net-${n}'", "write `{n}`"),
        ("net-{m}", "AS202", "{m}", "`n`"),
        ("net-{n+}", "AS201", "{n+}", "missing after `+`"),
        ("'net-{}'", "AS201", "{}", "a name or a number"),
        ("'{6n+2}'", "AS201", "{6n+2}", "an operator before `n`"),
        ("net-{n // 0}", "AS203", "{n // 0}", "max(1, parts)"),
        ('"n\\x65t-{m}"', "AS202", '"n\\x65t-{m}"', "`n`"),
    ],
)
def test_a_malformed_interpolation_is_told_how_to_write_it(name, code, marked_, help_, mistakes):
    (found,) = mistakes(f"archspec: 1\nname: {name}\nargs: {{n: 3}}{NET}")
    assert (found.code, marked(found)) == (code, marked_)
    assert help_ in found.help


@pytest.mark.parametrize(
    ("expression", "help_"),
    [
        ("2 x n", "multiply with `*`"),
        ("2n", "an operator before `n`"),
        ("n ** 2", "no powers"),
        ("n ^ 2", "no powers"),
        ("n = 2", "`==`"),
        ("n && true", "write `and`"),
        ("n +", "missing after `+`"),
        ("(n + 1", "close the `(`"),
        ("n + 1)", "closes nothing"),
        ("n * / 2", "a value is missing before `/`"),
        ("'{n}'", "braces are for the `name`"),
        ("n if true", "missing after `true`"),
        ("true + 1", "`2 if flag else 1`"),
        ("n * 1e15", "a factor too many"),
        ("+".join(["n"] * 300), "in `args`"),
    ],
)
def test_an_expression_that_is_wrong_is_told_what_to_write(expression, help_, mistakes):
    (found,) = mistakes(NET.replace("out: 8", f"out: {expression}") + "args: {n: 3}\n")
    assert help_ in found.help


@pytest.mark.parametrize(
    ("text", "code", "letter"),
    [
        (NET.replace("classes: 4", "cl\u0430sses: 4"), "AS101", "U+0430, CYRILLIC SMALL LETTER A"),
        (NET.replace("[{conv", "[{\u0441onv"), "AS301", "U+0441, CYRILLIC SMALL LETTER ES"),
        (NET.replace("kernel", "\u03baernel"), "AS303", "U+03BA, GREEK SMALL LETTER KAPPA"),
        (NET.replace("fc:", "f\u0441:"), "AS106", "U+0441, CYRILLIC SMALL LETTER ES"),
        (NET.replace("out: 8", "out: 8 \u2212 2"), "AS201", "U+2212, MINUS SIGN"),
        (NET.replace("global_avg_pool", "global_avg_pool\u200b"), "AS301", "U+200B, ZERO WIDTH SPACE"),
        (stage(shortcut="identit\u0443"), "AS301", "U+0443, CYRILLIC SMALL LETTER U"),
        (NET + "train: {steps: 9, precision: fp\u03032}\n", "AS103", "U+0303, COMBINING TILDE"),
    ],
)
def test_a_letter_that_looks_like_another_is_named(text, code, letter, mistakes):
    (found,) = mistakes(text)
    assert found.code == code
    assert letter in found.help


@pytest.mark.parametrize("size", ["true", "8.5", "{a: 1}"])
def test_a_size_of_another_kind_is_told_both_forms(size, mistakes):
    (found,) = mistakes(NET.replace("size: 8", f"size: {size}"))
    assert "expected one number or [height, width], not" in found.message


@pytest.mark.parametrize(
    ("line", "word"),
    [("train: {recipe cifar_resnet_warmup}", "write `recipe: cifar_resnet_warmup`"), ("xyzzy: 1", "`stages`, `stem`"),
     ("train: {recipe: digits, dampening: 0}", "`lr`")],
)  # fmt: skip
def test_a_key_that_is_like_none_is_told_which_there_are(line, word, mistakes):
    (found,) = mistakes(
        NET.replace("classes: 4", "classes: 10").replace("channels: 3", "channels: 1") + line + "\n"
    )
    assert found.code == "AS101"
    assert word in found.help


def test_extends_itself(spec, mistakes):
    path = spec("archspec: 1\nextends: ./net.yaml\n")
    assert [d.code for d in archspec.check(path)] == ["AS111"]
    spec("archspec: 1\nextends: ./b.yaml\n", "a.yaml")
    spec("archspec: 1\nextends: ./a.yaml\n", "b.yaml")
    (found,) = archspec.check(path.parent / "a.yaml")
    assert found.code == "AS111"
    assert "a.yaml" in found.message
    assert "b.yaml" in found.message


@pytest.mark.parametrize(
    ("target", "code"),
    [("./missing.yaml", "AS110"), ("resnet5", "AS110"), ("../outside.yaml", "AS112"), ("/etc/passwd.yaml", "AS110"),
     ("./link.yaml", "AS112"), ("./folder", "AS110"), ("''", "AS110"), ("'./a\\0b.yaml'", "AS110")],
)  # fmt: skip
def test_extends_of_what_may_not_be_extended(target, code, spec, tmp_path):
    spec(NET, "outside.yaml")
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    (inside / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    path = spec(f"archspec: 1\nextends: {target}\n", "inside/net.yaml")
    found = archspec.check(path)
    assert [d.code for d in found] == [code]
    assert found[0].help
    if code == "AS112":
        assert not archspec.check(path, include=[tmp_path]), "unless it is allowed"


def test_devices_and_pipes_are_not_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", "/dev/zero", tmp_path):
        assert [d.code for d in archspec.check(path)] in (["AS001"], ["AS110"])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["resnet50:papr"], "AS108", "paper"),
        (["resnet50", "--preset", "papr"], "AS108", "paper"),
        (["resnet50", "--set", "clases=3"], "AS109", "classes"),
        (["resnet50", "--set", "train.batch_sise=3"], "AS101", "batch_size"),
        (["resnet50", "--set", "stages.9.width=3"], "AS101", "9"),
        (["resnet50", "--set", "stem.conv1.conv.out=3"], "AS109", "from 0 to 3: `stem.0`"),
        (["resnet50", "--set", "stem.4.conv.out=3"], "AS109", "from 0 to 3"),
        (["resnet50", "--set", "stem.².conv.out=3"], "AS109", "from 0 to 3"),
        (["resnet50", "--set", "stages.².width=3"], "AS101", "²"),
        (["resnet50", "--set", "train.lr.0.value=3"], "AS103", "give the whole list"),
        (["resnet55"], "AS110", "resnet50"),
        (["no/such.yaml"], "AS001", "no/such.yaml"),
        (["cifar_resnet", "--set", "n=[1"], "AS002", "n"),
        (["cifar_resnet", "--set", "n=x"], "AS", "n"),
        (["cifar_resnet", "--set", "n=1e9"], "AS", ""),
        (["cifar_resnet", "--set", "n=-1"], "AS", ""),
    ],
)
def test_arguments_that_no_spec_has(arguments, code, word, cli):
    result = cli("check", *arguments)
    assert result.exit_code in (1, 2)
    assert f"error[{code}" in result.output
    assert word in result.output


def test_set_without_a_value_is_misuse(cli):
    assert cli("check", "resnet50", "--set", "n").exit_code == 2


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


@pytest.mark.parametrize(
    ("padding", "help_"),
    [
        ("same", "`same` pads differently from framework to framework"),
        ("smae", "`same` pads differently from framework to framework"),
        ("[1, SAME]", "`same` pads differently from framework to framework"),
        ("valid", "write `padding: 0`"),
        ("none", "give pixels, as in `padding: 1` or `padding: [1, 0]`"),
        ("halo // 3", "give pixels"),
        ("halfwya", "did you mean `halfway`?"),
    ],
)
def test_a_padding_by_a_word_is_told_to_be_pixels(padding, help_, mistakes):
    text = NET.replace("kernel: 3", f"kernel: 3, padding: {padding}")
    (found,) = mistakes(text + "args: {halfway: 1}\n")
    assert found.code == "AS202"
    assert help_ in found.help


@pytest.mark.parametrize(("size", "values"), [("[8]", "1 value"), ("[8, 8, 3]", "3 values")])
def test_a_size_of_too_few_or_many_numbers_is_said_in_plain_words(size, values, mistakes):
    (found,) = mistakes(NET.replace("size: 8", f"size: {size}"))
    assert found.message == f"`size`: expected one number or [height, width], not {values}"


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


def with_steps(steps):
    return NET.replace("head: [", f"head: [{steps}, ")


BLOCK = """
blocks:
  mine: {args: {width: int, stride: 1}, out: width, body: [{conv: {out: width, kernel: 3, stride: stride}}], merge: add}
stages: [{name: s, block: mine, width: 8}]
"""

CAPITAL = BLOCK.split("stages")[0].replace("mine", "Basic")


def two_stages(first, second, name="t"):
    return stage(first).replace("8}]", f"8}}, {{name: {name}, block: {second}, width: 8}}]")


# text, and what is said of it: each code with the text that is marked
EXACTLY = {
    # a step with a mistake gives a value that nothing is known of
    "unknown operation": (NET.replace("global_avg_pool", "global_avgpool"), {"AS301": "global_avgpool"}),
    "unknown operation in a block": (NET + BLOCK.replace("{conv:", "{conf:"), {"AS301": "conf"}),
    "unknown operation of a named step": (with_steps("{a: {conf: {}}}, {add: {}, from: [a, input]}"), {"AS301": "conf"}),
    "unknown operation that is named later": (with_steps("tan, {add: {}, from: [tanh, input]}"), {"AS301": "tan"}),
    "two operations in a step": (with_steps("{a: relu, b: relu}, {add: {}, from: [a, b]}"), {"AS305": "{a: relu, b: relu}"}),
    "no step at all": (NET.replace("global_avg_pool", "42"), {"AS305": "42"}),
    "name of a step": (with_steps("{for: relu}, {add: {}, from: [for, for]}"), {"AS106": "for"}),
    "a later mistake": (NET.replace("global_avg_pool", "global_avgpool").replace("out: classes", "out: clases"),
                        {"AS301": "global_avgpool", "AS202": "clases"}),
    "a later range": (NET.replace("stem: [{", "stem: [{conf: {}}, {").replace("head: [", "head: [{b: {basic: {width: -8}}}, "),
                      {"AS301": "conf", "AS104": "-8"}),
    "steps that are no list": (with_steps("{add: {}, from: [a, a]}").replace("[{conv: {out: 8, kernel: 3}}]", "{a: relu}"),
                               {"AS103": "stem"}),
    "unknown merge": (NET + BLOCK.replace("merge: add", "merge: ad").replace("8}", "8, shortcut: projection}"), {"AS301": "ad"}),
    "merge of nothing": (NET + BLOCK.replace("merge: add", "merge: relu"), {"AS305": "relu"}),
    "unknown kind of argument": (NET + BLOCK.replace("width: int", "width: itn"), {"AS103": "itn"}),
    "condition of a shortcut": (stage(shortcut="mine") + "shortcuts: {mine: {when: stride >, body: [subsample]}}\n",
                                {"AS201": "stride >"}),
    # a name that is misspelt, and what is under it
    "operation above its arguments": (NET.replace("{fc: {linear:", "{fc: {liner:"), {"AS301": "liner"}),
    "operation without a name": (NET.replace("{fc: {linear: {out: classes}}}", "{liner: {out: classes}}"), {"AS301": "liner"}),
    "operation below a name": (NET.replace("{fc: {linear:", "{conv1: {liner:"), {"AS301": "liner"}),
    "role": (NET + "norm: {layer_nrm: {eps: 1.0e-6}}\n", {"AS301": "layer_nrm"}),
    "modifier": (with_steps("{relu: {}, form: input}"), {"AS305": "{relu: {}, form: input}"}),
    # a key that is misspelt is read as what was meant
    "key of the spec": (NET.replace("input:", "inptu:"), {"AS101": "inptu"}),
    "arguments of the spec": (NET.replace("out: 8", "out: n") + "agrs: {n: 8}\n", {"AS101": "agrs"}),
    "key of the input": (NET.replace("size:", "siez:"), {"AS101": "siez"}),
    "key of a stage": (stage().replace("block:", "blok:"), {"AS101": "blok"}),
    "key of a block": (NET + BLOCK.replace("args:", "agrs:"), {"AS101": "agrs"}),
    "key that was meant otherwise": (NET + "steps: 100\n", {"AS101": "steps"}),
    "another key of a stage": (stage(repaet=3), {"AS303": "repaet"}),
    "extends": ("archspec: 1\nextend: resnet18\n", {"AS101": "extend"}),
    # an argument that is misspelt is not missing
    "argument of an operation": (NET.replace("kernel: 3", "kernal: 3"), {"AS303": "kernal"}),
    "argument of a stage": (stage().replace("width:", "widht:"), {"AS303": "widht"}),
    "argument of a default": (NET.replace(", kernel: 3", "") + "defaults: {conv: {kernal: 3}}\n", {"AS303": "kernal"}),
    "default": (NET.replace(", kernel: 3", "") + "defaults: {conf: {kernel: 3}}\n", {"AS301": "conf"}),
    "another argument": (NET.replace("kernel: 3", "strid: 3"), {"AS303": "strid", "AS304": "conv"}),
    # an unknown name
    "norm by an unknown name": (with_steps("norm") + "norm: $nrm\n", {"AS202": "$nrm"}),
    "shortcut by an unknown name": (stage() + "shortcut: $short\n", {"AS202": "$short"}),
    "block by an unknown name": (stage("$blok"), {"AS202": "$blok"}),
    "number by an unknown name": (NET.replace("classes: 4", "classes: $n"), {"AS202": "$n"}),
    "word by an unknown name": (NET + "train: {recipe: digits, precision: $p}\n", {"AS202": "$p"}),
    "argument that is a list": (stage(width="$widths") + "args: {widths: [1, 2]}\n", {"AS103": "widths"}),
    # what is declared and not used
    "body that is not used": (NET + "blocks: {b: {body: [{conv: {out: widht, kernel: 1}}]}}\n", {"AS202": "widht"}),
    "out that is not used": (NET + "blocks: {b: {out: widht, body: [relu]}}\n", {"AS202": "widht"}),
    "argument that is not used": (NET + "blocks: {b: {args: {a: c + 1, c: 1}, body: [relu]}}\n", {"AS202": "c + 1"}),
    "class count in a block": (NET + "blocks: {b: {body: [{conv: {out: classes, kernel: 1}}]}}\n", {"AS202": "classes"}),
    "condition that is not used": (NET + "shortcuts: {s: {when: strid > 1, body: [relu]}}\n", {"AS202": "strid > 1"}),
    "step that is not there": (NET.replace("kernel: 3}", "kernel: k}, when: false"), {"AS202": "k"}),
    "arguments that are not used": (NET + "blocks: {b: {body: [{conv: {out: 1, kernal: 1}}]}}\n", {"AS303": "kernal"}),
    "shortcut that is not used": (NET + "shortcut: projektion\n", {"AS301": "projektion"}),
    "stage that is not repeated": (stage(repeat=0, shortcut="projektion"), {"AS301": "projektion"}),
    "name of a stage that is not repeated": (stage(repeat=0).replace("0}]", "0}, {name: s, block: basic, width: 4}]"),
                                             {"AS107": "s"}),
    "expression of the spec's arguments": (NET.replace("out: 8", "out: k") + "args: {w: 4, k: 2*ww}\n", {"AS202": "2*ww"}),
    "arguments that come later": (NET.replace("out: 8", "out: k") + "args: {k: 2*w, w: 4}\n", {"AS202": "2*w"}),
    "malformed argument of the spec": (NET.replace("out: 8", "out: k") + "args: {w: 4, k: 2*}\n", {"AS201": "2*"}),
    "default that is not used": (NET + "defaults: {zero_pad: {zeroes: end}}\n", {"AS303": "zeroes"}),
    "preset that is not chosen": (NET + "args: {n: 1}\npresets: {a: {n: 2}, b: {m: 2}}\n", {"AS109": "m"}),
    "stage of a preset": (stage() + "presets: {a: {stages.t.width: 2}}\n", {"AS101": "stages.t.width"}),
    "key of a preset": (NET + "train: {steps: 9, data: {dataset: synthetic}}\npresets: {a: {train.batch_sise: 2}}\n",
                        {"AS101": "train.batch_sise"}),
    # values that do not suit an operation
    "groups": (NET.replace("kernel: 3", "kernel: 3, groups: 2"), {"AS403": "2"}),
    "groups of a default": (with_steps("group_norm") + "defaults: {group_norm: {groups: 5}}\n", {"AS403": "5"}),
    "groups of nobody": (with_steps("group_norm"), {"AS403": "group_norm"}),
    "half the window": (with_steps("{max_pool: {kernel: 2, padding: [0, 2]}}"), {"AS104": "[0, 2]"}),
    "kernel without a middle": (NET.replace("kernel: 3", "kernel: 2"), {"AS304": "2"}),
    # places
    "out of a block": (NET + BLOCK.replace("out: width, b", "out: width + 1, b"), {"AS309": "width + 1"}),
    "one of several values": (with_steps("{add: {}, from: [input, nothing]}"), {"AS306": "nothing"}),
    "word for a mapping": (NET + "init: {conv: he_normal}\n", {"AS101": "he_normal"}),
    "optimizer": (NET.replace("classes: 4", "classes: 10").replace("channels: 3", "channels: 1")
                  + "train: {recipe: digits, optimizer: sdg}\n", {"AS101": "sdg"}),
    "names of modules that differ in case": (with_steps("{Conv: relu}"), {"AS113": "Conv"}),
    "names of steps without one that differ in case": (with_steps("{Relu: tanh}, relu"), {"AS113": "relu"}),
    "names of stages that differ in case": (two_stages("basic", "basic", "S"), {"AS113": "S"}),
    "a block like one of the library": (two_stages("basic", "Basic") + CAPITAL, {"AS113": "Basic"}),
    "a block in capitals where the library's is not used": (stage("Basic") + CAPITAL, {}),
    "a block in capitals that is not declared": (stage("Basic"), {"AS301": "Basic"}),
    "name used twice": (with_steps("{a: relu}, {a: tanh}"), {"AS107": "a"}),
    "empty head": (NET.split("head:")[0] + "head: []\n", {"AS406": "head"}),
    "no steps at all": (NET.split("stem:")[0], {"AS406": "classes"}),
    "phase without end": (NET + "train: {steps: 9, lr: [{value: 1}, {value: 2}]}\n", {"AS602": "{value: 1}"}),
    "name of an argument": (NET + "args: {class: 1}\n", {"AS106": "class"}),
    "name of a block's argument": (NET + "blocks: {b: {args: {class: 1}, body: [relu]}}\n", {"AS106": "class"}),
    "name of an operation": (NET + "blocks: {relu: {body: [tanh]}}\n", {"AS107": "relu"}),
    "list for a block": (stage("[basic]"), {"AS103": "[basic]"}),
    "number for a value": (with_steps("{a: relu, from: 3}"), {"AS305": "3"}),
    "two values for a block": (with_steps("{b: {basic: {width: 8}}, from: [input, input]}"), {"AS307": "basic"}),
}  # fmt: skip


def marked(found):
    """The text that a diagnostic is about."""
    span = found.span
    return span.source.line(span.line)[span.column : span.end_column]


@pytest.mark.parametrize("case", EXACTLY)
def test_a_mistake_is_said_once_at_its_place_with_what_is_independent_of_it(case, mistakes):
    text, expected = EXACTLY[case]
    found = mistakes(text)
    assert [(d.code, marked(d)) for d in sorted(found, key=lambda d: d.code)] == sorted(expected.items())
    assert all(d.help for d in found), "each says what to do about it"


def test_a_mistake_in_a_block_that_is_used_twice_is_said_once(mistakes):
    text = NET.replace("stem: [", "stem: [{a: {b: {w: 1}}}, {c: {b: {w: 2}}, from: input}, ")
    found = mistakes(text + "blocks: {b: {args: {w: int}, body: [{conv: {out: w, kernal: 3}}]}}\n")
    assert [d.code for d in found] == ["AS303"]


def test_blocks_after_the_first_of_a_stage_have_stride_1(spec):
    text = (
        stage("b", stride=2, repeat=3)
        + "blocks: {b: {args: {width: int, stride: int}, body: [{max_pool: {kernel: 1, stride: stride}}]}}\n"
    )
    assert archspec.load(spec(text)).root.call("s").shape == (8, 4, 4)


def test_arguments_of_the_spec_may_be_expressions_in_those_before(spec):
    path = spec("archspec: 1\nname: net-{k}-{variant}\n" + NET.replace("out: 8", "out: k")
                + "args: {w: 4, k: 2*w, m: w-1, variant: se-a}\npresets: {wide: {w: 16}, other: {k: w + 1}}\n")  # fmt: skip
    for chosen, channels in (
        ({}, 8),
        ({"preset": "wide"}, 32),
        ({"preset": "other"}, 5),
        ({"set": {"k": "w * 3"}}, 12),
    ):
        net = archspec.load(path, **chosen)
        assert net.root.calls[0].shape[0] == channels
        assert net.name == f"net-{channels}-se-a", "a word may have hyphens"
        assert net.resolved.scope["m"] == net.resolved.scope["w"] - 1


@pytest.mark.parametrize("text", [stage(repeat=0).replace("[global", "[{add: {}, from: [s, input]}, global")])
def test_a_stage_that_is_left_out_passes_on_what_it_takes(text, spec):
    net = archspec.load(spec(text.replace("out: 8", "out: 3")))
    assert net.root.call("add").shape == (3, 8, 8)
    assert "self.s =" not in archspec.emit(net, "torch")["model.py"]


@pytest.mark.parametrize(
    ("given", "says"),
    [({"spec": None}, "a path or the name"), ({"spec": 3}, "a path or the name"), ({"set": {3: 4}}, "keys of `set`"),
     ({"set": {"classes": object()}}, "cannot be part of a spec")],
)  # fmt: skip
def test_what_is_no_spec_at_all_is_a_type_error(given, says):
    with pytest.raises(TypeError, match=says):
        archspec.load(**{"spec": "resnet18", **given})


def test_names_of_stages_that_cannot_be_used_are_not_replaced_in_messages(mistakes):
    found = mistakes(stage(name="class", widht=3) + "")
    assert {d.code for d in found} == {"AS106", "AS303"}
    assert [r.message for d in found for r in d.related] == ["`basic` is used here"]


@pytest.mark.parametrize(
    "key", ["stem", "head", "stages", "blocks", "shortcuts", "args", "presets", "defaults", "init", "expect"]
)
def test_sections_may_be_empty(key, spec):
    text = "input: {size: 8}\nclasses: 3\nhead: [global_avg_pool]\n"
    if key == "head":
        text = text.replace("head", "stem")
    assert archspec.check(spec(f"{text}{key}:\n")) == ()


def test_a_bad_name_that_is_the_files_is_said_to_be(spec):
    (found,) = archspec.check(spec("archspec: 1\n" + NET, "1st.yaml"))
    assert (found.code, found.message) == ("AS106", "the file's name `1st` cannot name the net")
    assert "`name`" in found.help


@pytest.mark.parametrize(
    ("written", "meant"),
    [("resnet35", "resnet34"), ("resnet55", "resnet50"), ("resnet_34", "resnet34"), ("resnet15", "resnet152")],
)
def test_the_nearest_name_that_begins_alike_is_suggested(written, meant, mistakes):
    (found,) = mistakes(f"extends: {written}\n")
    assert found.help == f"did you mean `{meant}`?"


def test_expectations_are_in_plain_english(mistakes):
    messages = [d.message for d in mistakes(NET + "expect: {params: 1, macs: 1200, depth: 9}\n")]
    assert messages == [
        "expected 1 parameter, and the net has 252",
        "expected 1,200 multiply-adds, and the net has 13,856",
        "expected depth 9, and the net has 2",
    ]


def test_items_of_lists_are_overridden_in_place():
    assert archspec.load("resnet18", set={"stages.0.repeat": 5}).cost.depth == 24

"""What a user is told to write instead: forms, letters, names and units that are easily got wrong."""

import pytest

import archspec
from mistaken import NET, marked, stage


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


@pytest.mark.parametrize(("size", "values"), [("[8]", "1 value"), ("[8, 8, 3]", "3 values")])
def test_a_size_of_too_few_or_many_numbers_is_said_in_plain_words(size, values, mistakes):
    (found,) = mistakes(NET.replace("size: 8", f"size: {size}"))
    assert found.message == f"`size`: expected one number or [height, width], not {values}"


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


@pytest.mark.parametrize(
    ("written", "meant"),
    [("resnet35", "resnet34"), ("resnet55", "resnet50"), ("resnet_34", "resnet34"), ("resnet15", "resnet152")],
)
def test_the_nearest_name_that_begins_alike_is_suggested(written, meant, mistakes):
    (found,) = mistakes(f"extends: {written}\n")
    assert found.help == f"did you mean `{meant}`?"


def test_a_bad_name_that_is_the_files_is_said_to_be(spec):
    (found,) = archspec.check(spec("archspec: 1\n" + NET, "1st.yaml"))
    assert (found.code, found.message) == ("AS106", "the file's name `1st` cannot name the net")
    assert "`name`" in found.help


def test_expectations_are_in_plain_english(mistakes):
    messages = [d.message for d in mistakes(NET + "expect: {params: 1, macs: 1200, depth: 9}\n")]
    assert messages == [
        "expected 1 parameter, and the net has 252",
        "expected 1,200 multiply-adds, and the net has 13,856",
        "expected depth 9, and the net has 2",
    ]


@pytest.mark.parametrize(
    ("text", "marked_", "help_"),
    [
        (NET.replace("out: 8", "out: 8, filters: 8"), "filters", "it means `out`, which is given as well"),
        (NET.replace("kernel: 3", "kernel: 3, kernal: 3"), "kernal", "it means `kernel`, which is given as well"),
        (NET + "num_classes: 4\n", "num_classes", "it means `classes`, which is given as well"),
        (
            NET + "train: {steps: 9, lr: 0.1, learning_rate: 0.1}\n",
            "learning_rate",
            "it means `lr`, which is given",
        ),
    ],
)
def test_a_word_of_others_beside_the_one_that_it_means_is_to_be_taken_out(text, marked_, help_, mistakes):
    found = next(d for d in mistakes(text) if marked(d) == marked_)
    assert help_ in found.help


def test_a_rate_that_is_a_word_is_told_the_forms_and_a_misspelt_argument_the_argument(mistakes):
    (found,) = mistakes(NET + "train: {steps: 9, lr: abc}\n")
    assert (found.code, marked(found)) == ("AS103", "abc")
    assert "a number or a list of phases" in found.help
    (found,) = mistakes(NET + "args: {rate: 0.1}\ntrain: {steps: 9, lr: raet}\n")
    assert (found.code, found.help) == ("AS202", "did you mean `rate`?")


def test_an_argument_that_is_a_list_is_told_by_which_sign_it_stands(mistakes):
    listed = "args: {widths: [8, 16]}\n"
    (found, *_) = mistakes(NET.replace("out: 8", "out: widths") + listed)
    assert (found.code, found.help) == ("AS202", "`widths` is a list, for which `$widths` stands")
    rows = "stem: [{rows: {block: conv_norm_act, columns: [width], table: widths}}]\n"
    found = next(d for d in mistakes(NET.replace("stem:", "x_stem:", 1) + rows + listed) if d.code == "AS103")
    assert "`$widths`" in found.help

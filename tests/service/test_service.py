"""A spec while it is written: every state of its text has an answer."""

from pathlib import Path

import pytest

from archspec.loading import zoo
from archspec.service import names
from archspec.service.completion import complete
from archspec.service.document import Workspace
from archspec.service.formatting import formatted
from archspec.service.hints import hints
from archspec.service.hover import hover
from archspec.service.outline import outline
from archspec.service.recovery import recovered
from archspec.service.text import Position, Range, Text

HEAD = "archspec: 1\nextends: resnet50\nargs: {w: 3}\n"
NET = """archspec: 1
input: {size: 32}
classes: 10
args: {width: 16}
blocks:
  mine:
    args: {width: int, wide: 2}
    out: width * wide
    body:
      - conv1: {conv: {out: width * wide, kernel: 3}}
      - {again: {conv: {out: width * wide, kernel: 3}}, from: conv1}
stem:
  - conv1: {conv: {out: width, kernel: 3}}
  - sum: {add: {}}
    from: [conv1, conv1]
stages:
  - {name: layer1, block: mine, width: 16, repeat: 2}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.fixture
def workspace():
    return Workspace()


@pytest.fixture
def net(workspace, tmp_path):
    return workspace.open(tmp_path / "net.yaml", NET)


def zoo_files():
    return sorted(zoo.folder().rglob("*.yaml"))


def keys_at_the_top(text):
    lines = text[: text.rfind("\n") + 1].splitlines()
    return {line.partition(":")[0] for line in lines if line[:1].isalpha() and ":" in line}


@pytest.mark.parametrize("name", ["resnet50", "unet", "inception_v3"])
def test_every_prefix_of_a_spec_keeps_what_was_written_before(name):
    text = (zoo.folder() / f"{name}.yaml").read_text()
    for end in range(0, len(text), 1 if len(text) < 3000 else 5):
        assert keys_at_the_top(text[:end]) <= set(recovered(text[:end], "x").value)


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_every_prefix_of_every_zoo_spec_has_an_answer(part, tmp_path):
    workspace = Workspace()
    for path in zoo_files()[part::4]:
        text = path.read_text()
        for end in range(len(text)):
            assert keys_at_the_top(text[:end]) <= set(recovered(text[:end], "x").value)
            if end % 97 == 0:
                document = workspace.open(tmp_path / path.name, text[:end])
                (
                    document.diagnostics(),
                    hints(document),
                    outline(document),
                    complete(document, end),
                    hover(document, end),
                )


def labels(workspace, tmp_path, text):
    place = text.index("|")
    document = workspace.open(tmp_path / "net.yaml", text.replace("|", "", 1))
    return [item.label for item in complete(document, place).items]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ar|", "archspec"),
        (HEAD + "tra|", "train"),
        (HEAD + "train:\n  |\n", "optimizer"),
        (HEAD + "train: {optimizer: {sgd: {mo|", "momentum"),
        (HEAD + "stem:\n  - conv1: {co|", "conv"),
        (HEAD + "stem:\n  - {conv: {out: 64, |}}", "kernel"),
        (HEAD + "stem:\n  - {conv: {out: $|}}", "w"),
        (HEAD + "shortcut: pr|", "projection"),
        (HEAD + "stages:\n  lay|: {width: 3}", "layer1"),
        (HEAD + "stages:\n  - {name: x, block: bottleneck, gro|", "groups"),
        (HEAD + "presets: {a: {tr|", "train.lr"),
        (HEAD + "train: {recipe: im|}", "imagenet_a1"),
        (HEAD + "train: {precision: |}", "bf16"),
        (HEAD + "stem: [{add: , from: |}]", "layer2"),
        (HEAD + "blocks:\n  mine:\n    bo|\n", "body"),
        (HEAD + "blocks:\n  mine:\n    args: {wid: int}\n    body:\n      - conv: {out: wid * |}", "wid"),
        ("archspec: 1\nextends: res|", "resnet50"),
        ("archspec: 1\nextends: res|", "resnext101_32x8d"),
    ],
)
def test_completions_are_what_may_stand_there(workspace, tmp_path, text, wanted):
    assert wanted in labels(workspace, tmp_path, text)


def test_what_is_given_already_is_not_offered(workspace, tmp_path):
    assert "out" not in labels(workspace, tmp_path, HEAD + "stem:\n  - {conv: {out: 64, |}}")


def test_nothing_is_offered_in_comments(workspace, tmp_path):
    assert labels(workspace, tmp_path, HEAD + "# tr|") == []


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("conv1: {conv: {out: width, ", "16x32x32"),
        ("layer1", "blocks: 2"),
        ("mine, width", "Arguments: `width`, `wide` 2"),
        ("classes: 10", "Number of classes."),
        ("wide: 2", "an argument of `mine`"),
        ("conv1: {conv: {out: width * wide", "`layer1.0.conv1` and 1 more"),
        ("conv1: {conv: {out: width, ", "receptive field: 3 x 3"),
    ],
)
def test_a_word_says_what_it_is(net, word, said):
    assert said in hover(net, NET.index(word) + 1).text


def test_hints_stay_while_a_line_is_broken(net):
    before = [hint.text for hint in hints(net)]
    assert "16×32×32 · 432 params · 442k MACs" in before
    end = len(NET.partition("  - sum")[0])
    net.edit_range(Range(net.text.position(end), net.text.position(end)), "  - {conv: {ou\n")
    assert [d.code for d in net.diagnostics()] == ["AS002"]
    assert [hint.text for hint in hints(net)] == before


def test_a_patched_stage_has_its_hint(workspace, tmp_path):
    document = workspace.open(
        tmp_path / "net.yaml", "archspec: 1\nextends: resnet50\nstages: {layer1: {width: 32}}\n"
    )
    assert [hint.text for hint in hints(document)] == ["128×56×56 · 59.8k params · 183M MACs"]


def test_uses_and_definitions_keep_blocks_and_net_apart(net):
    stem = NET.index("conv1: {conv: {out: width, ")
    inside = NET.index("conv1: {conv: {out: width * wide")
    assert len(names.uses(net, stem)) == 3
    assert len(names.uses(net, inside)) == 2
    (target,) = names.definition(net, NET.index("from: conv1") + 7)
    assert target.start == inside


def test_renaming_follows_into_specs_that_extend_it_saved_or_not(workspace, tmp_path, net):
    net.path.write_text(NET)
    (tmp_path / "saved.yaml").write_text(
        "archspec: 1\nextends: net.yaml\nstages:\n  layer1: {width: 8}\npresets: {a: {stages.layer1.width: 4}}\n"
    )
    unsaved = workspace.open(
        tmp_path / "unsaved.yaml", "archspec: 1\nextends: saved.yaml\nstages: {layer1: {wide: 1}}\n"
    )
    renaming = names.rename(unsaved, unsaved.text.text.index("layer1"), "body1")
    assert {path.name: len(edits) for path, edits in renaming.edits.items()} == {
        "net.yaml": 1,
        "saved.yaml": 2,
        "unsaved.yaml": 1,
    }
    assert "layer1.0.conv1.weight becomes body1.0.conv1.weight" in renaming.note
    assert unsaved.diagnostics() == ()


def test_renaming_follows_into_what_is_frozen_and_its_rates(workspace, tmp_path):
    train = 'train: {recipe: finetune, freeze: [conv1, "layer1.*"], lr_scale: {layer1: 2}}\n'
    document = workspace.open(tmp_path / "net.yaml", NET + train)
    (edits,) = names.rename(document, NET.index("layer1"), "trunk").edits.values()
    assert document.text.edited(edits) == (NET + train).replace("layer1", "trunk")
    (edits,) = names.rename(document, NET.index("conv1: {conv: {out: width, "), "first").edits.values()
    assert "freeze: [first, " in document.text.edited(edits)
    assert "from: conv1}" in document.text.edited(edits)


@pytest.mark.parametrize(
    ("text", "word", "why"),
    [
        ("archspec: 1\nextends: resnet50\nstages: {layer1: {width: 8}}\n", "layer1", "comes with archspec"),
        (NET.replace("block: mine", "block: basic"), "basic", "archspec's library"),
        (NET, "global_avg_pool", "an operation"),
        (NET, "archspec", "no name that a spec gives"),
        (NET, "fc", "`norm` is a word of the language"),
        (NET, "layer1", "there already"),
    ],
)
def test_renaming_is_refused_with_a_reason(workspace, tmp_path, text, word, why):
    document = workspace.open(tmp_path / "net.yaml", text)
    new = "norm" if word == "fc" else "sum" if why == "there already" else "other"
    with pytest.raises(names.RefusedError, match=why):
        names.rename(document, text.index(word), new)


def test_a_spec_extends_one_that_nobody_has_saved(workspace, tmp_path, net):
    child = workspace.open(tmp_path / "child.yaml", "archspec: 1\nextends: net.yaml\nargs: {width: 8}\n")
    assert child.diagnostics() == ()
    net.replace(NET.replace("{linear:", "{linaer:"))
    assert [(d.code, d.span.source.name) for d in child.diagnostics()] == [("AS301", str(net.path))]


def test_documentation_of_library_files_is_where_definitions_lead(workspace, tmp_path):
    text = "archspec: 1\nextends: resnet50\ntrain: {recipe: imagenet_a1}\nstages: {layer1: {block: basic}}\n"
    document = workspace.open(tmp_path / "net.yaml", text)
    found = [
        names.definition(document, text.index(word))[0].path.name
        for word in ("resnet50", "imagenet_a1", "basic", "layer1")
    ]
    assert found == ["resnet50.yaml", "imagenet_a1.yaml", "basic.yaml", "resnet50.yaml"]


def test_the_outline_has_stages_and_steps(net):
    top = {entry.name: entry for entry in outline(net)}
    assert [below.name for below in top["stem"].below] == ["conv1", "sum"]
    assert [below.name for below in top["stages"].below] == ["layer1"]
    assert [below.name for below in top["blocks"].below] == ["mine"]


@pytest.mark.parametrize("path", zoo_files(), ids=lambda p: p.stem)
def test_formatting_leaves_the_zoo_as_it_is(path):
    assert formatted(path.read_text()) == path.read_text()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: { b: 1 ,c: 2 ,  d: [ 1,2 ] }   # x \n\n\n\ne: 1", "a: {b: 1, c: 2, d: [1, 2]}   # x\n\ne: 1\n"),
        ("a: |\n  x  \n\n\n  y\nb: 1\n", "a: |\n  x  \n\n\n  y\nb: 1\n"),
        ("a: 1  \r\nb: 2", "a: 1\r\nb: 2\r\n"),
        ("a: {b: }\n", "a: {b: }\n"),
        ('a: "x\n  y  "  \n', 'a: "x\n  y  "  \n'),
        ("a: {b: \n", "a: {b:\n"),
    ],
)
def test_formatting_changes_white_space_alone_and_once(text, wanted):
    assert formatted(text) == wanted
    assert formatted(wanted) == wanted


def test_columns_count_as_editors_do():
    text = Text("a\U0001f600b: é\r\nx\ry")
    assert text.position(text.text.index("b")) == Position(0, 3)
    assert text.offset(Position(0, 3)) == 2
    assert [text.line(number) for number in range(text.lines)] == ["a\U0001f600b: é", "x", "y"]
    assert text.offset(Position(0, 99)) == len("a\U0001f600b: é")


def test_other_yaml_is_left_alone(workspace, tmp_path):
    document = workspace.open(tmp_path / "docker.yaml", "services:\n  web: {image: x}\n")
    assert document.diagnostics() == ()
    assert hints(document) == []
    assert Path(document.name).name == "docker.yaml"


def test_steps_of_branches_are_renamed_and_completed(workspace, tmp_path):
    """Steps that stand in branches have the words of any step."""
    stem = "{add: [{left: {conv: {out: width, ker: 3}}}, [norm, relu]]}\n  - {relu: {}, from: left}"
    text = NET.replace("sum: {add: {}}\n    from: [conv1, conv1]", f"sum: {stem}")
    document = workspace.open(tmp_path / "branches.yaml", text)
    (edits,) = names.rename(document, text.index("left: {conv"), "near").edits.values()
    assert len(edits) == 2
    assert "kernel" in [item.label for item in complete(document, text.index("ker:") + 3).items]

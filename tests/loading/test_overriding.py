"""What a spec is made of beside its own file: what it extends, presets, `--set`, arguments, and what may be left out."""

import pytest

import archspec
from mistaken import NET, marked, stage


def test_extends_itself(spec, mistakes):
    path = spec("archspec: 1\nextends: ./net.yaml\n")
    assert [d.code for d in archspec.check(path)] == ["AS111"]
    spec("archspec: 1\nextends: ./b.yaml\n", "a.yaml")
    spec("archspec: 1\nextends: ./a.yaml\n", "b.yaml")
    (found,) = archspec.check(path.parent / "a.yaml")
    assert found.code == "AS111"
    assert "a.yaml" in found.message
    assert "b.yaml" in found.message


def test_extends_a_net_of_a_family(spec):
    net = archspec.load(spec("archspec: 1\nextends: vgg11\nclasses: 10\n", "mine.yaml"))
    assert (net.name, net.cost.depth, net.classes) == ("mine", 11, 10)
    assert archspec.load(spec("archspec: 1\nextends: vgg11\nargs: {batch_norm: true}\n")).tensor_shapes() == (
        archspec.load("vgg11_bn").tensor_shapes()
    )


def test_an_argument_for_a_key_of_its_name_leaves_a_mapping_to_the_key(spec):
    net = archspec.load("digits_resnet", set={"n": 1, "shortcut": {"constant_scaling": {"on_branch": 1}}})
    assert [row.name for row in net.modules() if row.op == "scale"][::2] == [
        f"layer{i}.0.shortcut.scaled_shortcut" for i in (1, 2, 3)]  # fmt: skip
    other = spec(
        "archspec: 1\nextends: digits_resnet\nargs: {shortcut: zero_pad, n: 1}\nshortcut: none\n", "mine.yaml"
    )
    (found,) = archspec.check(other, set={"shortcut": {"constant_scaling": {}}})
    assert found.code == "AS103", "of an argument that stands for nothing, a mapping is no value"


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


def test_items_of_lists_are_overridden_in_place():
    assert archspec.load("resnet18", set={"stages.0.repeat": 5}).cost.depth == 24


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


@pytest.mark.parametrize(
    ("given", "says"),
    [({"spec": None}, "a path, the name"), ({"spec": 3}, "a path, the name"), ({"set": {3: 4}}, "keys of `set`"),
     ({"set": {"classes": object()}}, "cannot be part of a spec")],
)  # fmt: skip
def test_what_is_no_spec_at_all_is_a_type_error(given, says):
    with pytest.raises(TypeError, match=says):
        archspec.load(**{"spec": "resnet18", **given})


@pytest.mark.parametrize(
    "key", ["stem", "head", "stages", "blocks", "shortcuts", "args", "presets", "defaults", "init", "expect"]
)
def test_sections_may_be_empty(key, spec):
    text = "input: {size: 8}\nclasses: 3\nhead: [global_avg_pool]\n"
    if key == "head":
        text = text.replace("head", "stem")
    assert archspec.check(spec(f"{text}{key}:\n")) == ()


def test_blocks_after_the_first_of_a_stage_have_stride_1(spec):
    text = (
        stage("b", stride=2, repeat=3)
        + "blocks: {b: {args: {width: int, stride: int}, body: [{max_pool: {kernel: 1, stride: stride}}]}}\n"
    )
    assert archspec.load(spec(text)).root.call("s").shape == (8, 4, 4)


@pytest.mark.parametrize("text", [stage(repeat=0).replace("[global", "[{add: {}, from: [s, input]}, global")])
def test_a_stage_that_is_left_out_passes_on_what_it_takes(text, spec):
    net = archspec.load(spec(text.replace("out: 8", "out: 3")))
    assert net.root.call("add").shape == (3, 8, 8)
    assert "self.s =" not in archspec.emit(net, "torch")["model.py"]


FAMILY = """archspec: 1
name: one
args: {width: 4, kernel: 1}
input: {size: 4}
classes: 3
stem: [{conv: {out: width, kernel: kernel}}]
head: [global_avg_pool, {linear: {out: classes}}]
"""


def test_presets_are_rows_of_a_table(spec, mistakes):
    table = (
        "presets:\n  columns: [width, kernel, expect.params]\n  table:\n    a: [8, 3, 243]\n    b: [6, null, 39]\n"
    )
    path = spec(FAMILY + table)
    assert [archspec.load(path, preset=name).cost.params for name in "ab"] == [243, 39]
    spec("archspec: 1\nextends: ./net.yaml\npresets: {c: {width: 2}}\n", "more.yaml")
    assert [archspec.load(path.parent / "more.yaml", preset=name).cost.params for name in "abc"] == [243, 39, 15]
    (found,) = mistakes(FAMILY + table.replace("39", "40"))
    assert (found.code, marked(found)) == ("AS501", "40")


@pytest.mark.parametrize(
    ("presets", "code", "text"),
    [("{columns: [width], table: {a: [8]}, b: {width: 3}}", "AS101", "b"),
     ("{columns: [width]}", "AS102", "[width]"),
     ("{columns: [], table: {a: []}}", "AS103", "[]"),
     ("{columns: [3], table: {a: [8]}}", "AS103", "3"),
     ("{columns: [width, width], table: {a: [8, 9]}}", "AS107", "width"),
     ("{columns: [width], table: [[8]]}", "AS103", "[[8]]"),
     ("{columns: [width], table: {a: 8}}", "AS103", "8"),
     ("{columns: [width, kernel], table: {a: [8]}}", "AS103", "[8]"),
     ("{columns: [wdth], table: {a: [8]}}", "AS109", "8"),
     ("{columns: [width, expect.params], table: {a: [wide, 9]}}", "AS103", "wide")],
)  # fmt: skip
def test_a_malformed_table_of_presets_is_told(mistakes, presets, code, text):
    (found,) = mistakes(f"{FAMILY}presets: {presets}\n")
    assert (found.code, marked(found)) == (code, text)
    assert found.help


def test_a_preset_may_be_called_columns(spec):
    path = spec(f"{FAMILY}presets: {{columns: {{width: 8}}, table: {{width: 6}}}}\n")
    assert [archspec.load(path, preset=name).cost.params for name in ("columns", "table")] == [51, 39]


def test_a_mistake_of_a_spec_that_is_extended_shows_the_chain_that_leads_to_it(spec):
    top = spec("extends: middle.yaml\n", "top.yaml")
    spec("extends: base.yaml\n", "middle.yaml")
    for wrong in ("input: {size: 8}\nclasses: 10\nstem: [rleu]\n", "name: [\n"):
        spec(wrong, "base.yaml")
        found, *_ = archspec.check(top)
        names = [(related.message.rpartition("/")[2], related.span.source.name) for related in found.related]
        assert names == [
            ("base.yaml` is extended here", str(top.with_name("middle.yaml"))),
            ("middle.yaml` is extended here", str(top)),
        ]

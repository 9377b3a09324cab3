"""What `list`, `summary`, `show`, `diff` and `build --emit ir` print of a net, for people and for scripts."""

import json
import re

import pytest

import archspec
from archspec.loading import zoo


def test_list_names_every_spec_with_its_presets(cli):
    output = cli("list").output
    for name in zoo.names():
        assert re.search(rf"^{name} ", output, re.MULTILINE)
    assert "25,557,032 parameters" in output
    assert "resnet1202" in output


def test_list_says_what_is_wrong_with_a_spec_of_the_zoo(cli, tmp_path, monkeypatch):
    (tmp_path / "broken.yaml").write_text("archspec: 1\nname: broken\nclases: 3\n")
    monkeypatch.setattr(zoo, "folder", lambda: tmp_path)
    result = cli("list")
    assert result.exit_code == 1
    assert "unknown key `clases`" in result.output


def test_summary_collapses_repeats_and_gives_the_counts(cli):
    deep = cli("summary", "cifar_resnet:resnet1202").output
    assert len(deep.splitlines()) < 60
    assert "199 x basic" in deep
    assert "19,421,274" in deep.replace("\n", "")
    paper, ours = cli("summary", "resnet50:paper").output, cli("summary", "resnet50").output
    assert "stride_in_1x1" in paper
    assert "stride_in_1x1" not in ours
    assert "3,857,973,248" in paper
    assert "4,089,184,256" in ours


def test_what_scripts_read_is_json(cli, tmp_path):
    summary = json.loads(cli("summary", "resnet50", "--format", "json").stdout)
    assert summary["cost"]["params"] == sum(row["params"] for row in summary["modules"]) == 25_557_032
    assert summary["modules"][0] == {
        "name": "conv1",
        "op": "conv",
        "output": [64, 112, 112],
        "params": 9408,
        "macs": 118013952,
    }
    listed = json.loads(cli("list", "--format", "json").stdout)
    assert {"paper", "a1"} <= set(next(spec["presets"] for spec in listed["specs"] if spec["name"] == "resnet50"))
    assert {"recipes", "blocks", "shortcuts"} <= listed.keys()
    difference = json.loads(cli("diff", "resnet50", "resnet50:paper", "--format", "json").stdout)
    assert difference["cost"]["macs"] == [4089184256, 3857973248]


def test_diff_shows_structure_and_cost(cli):
    assert cli("diff", "resnet50", "resnet50").exit_code == 0
    result = cli("diff", "resnet50", "resnet50:paper")
    assert result.exit_code == 1
    assert "macs: 4,089,184,256 -> 3,857,973,248 (-231,211,008)" in result.output
    changes = [line for line in result.output.splitlines() if line.startswith("~ ")]
    assert changes.count("~ bottleneck: stride_in_1x1 false -> true") == 1, (
        "what changes alike in each stage is said once"
    )
    assert "@ layer2 > 1 x bottleneck, layer3 > 1 x bottleneck, layer4 > 1 x bottleneck" in result.output
    assert "~ conv1: stride 1x1 -> 2x2" in changes
    assert "~ conv1, bn1, relu: 128x56x56 -> 128x28x28" in changes
    deeper = cli("diff", "cifar_resnet", "cifar_resnet:resnet56").output
    assert "@ layer2, layer3\n~ basic: repeat 2 -> 8\n" in deeper
    assert len(cli("diff", "resnet50", "resnet18").output.splitlines()) < 40, (
        "blocks that are others are not opened"
    )
    modern = cli("diff", "resnet50", "resnet50:a1").output
    assert "+     1 x bottleneck" not in modern, "stages of one length are compared block by block"
    assert "\ntrain.batch_size: 256 -> 2048\n" in modern
    recipe = cli("diff", "resnet50", "resnet50:torchvision_v2")
    assert recipe.exit_code == 1
    assert "\ntrain.epochs: none -> 600\n" in recipe.output
    plain = cli("diff", "resnet34", "plain34").output
    assert "-173,824" in plain, "the projections' parameters"
    assert "relu2 = relu(bn2)" in plain
    assert "drop_path" not in plain, "a step that neither net has"


def place(name, word):
    """The file and line of a zoo spec where something is written."""
    lines = (zoo.folder() / f"{name}.yaml").read_text().splitlines()
    return f"specs/{name}.yaml:{next(number for number, line in enumerate(lines, 1) if word in line)}"


def test_show_prints_the_file_and_where_resolved_values_come_from(cli):
    assert cli("show", "plain34").output == (zoo.folder() / "plain34.yaml").read_text()
    text = cli("show", "cifar_resnet:plain56", "--resolved", "--set", "train.batch_size=64").output
    origin = {line.split("#")[0].strip(): line.split("#")[-1].strip() for line in text.splitlines() if "#" in line}
    assert origin["batch_size: 64"].startswith("--set")
    assert (
        origin["shortcut: none"]
        == f"{place('cifar_resnet', 'shortcut: $shortcut')} (args.shortcut, preset plain56)"
    )
    assert origin["steps: 64000"].startswith("specs/recipes/cifar_resnet.yaml:")


def test_each_value_of_a_stage_says_where_it_came_from(cli, spec):
    path = spec("archspec: 1\nextends: resnet18\nstages:\n  layer2: {width: 48}\n")
    text = cli("show", path, "--resolved", "--set", "train.optimizer.sgd.momentum=0.8").output
    origin = {line.split("#")[0].strip(): line.split("#")[-1].strip() for line in text.splitlines() if "#" in line}
    assert origin["- name: layer2"] == origin["repeat: 2"] == place("resnet18", "name: layer2")
    assert origin["width: 48"] == f"{path}:4"
    assert origin["momentum: 0.8"] == "--set"
    assert origin["weight_decay: 0.0001"].startswith("specs/recipes/imagenet_resnet.yaml:")
    assert origin["- {name: layer1, block: basic, repeat: 2, width: 64}"] == place("resnet18", "name: layer1")


@pytest.mark.parametrize(
    "name", ["resnet50:paper", "plain34", "cifar_resnet:plain56", "digits_resnet", "vgg19", "cifar_highway"]
)
def test_the_resolved_spec_is_a_spec_of_the_same_net(name, cli, tmp_path):
    path = tmp_path / "resolved.yaml"
    path.write_text(cli("show", name, "--resolved").output)
    net, again = archspec.load(name), archspec.load(path)
    assert again.fingerprint == net.fingerprint
    assert again.recipe == net.recipe


def test_recipes_can_be_shown_to_be_copied(cli):
    assert cli("show", "imagenet_a1").output == zoo.recipe("imagenet_a1").read_text()
    assert cli("show", "recipes/cifar_resnet").output == zoo.recipe("cifar_resnet").read_text()


def test_show_prints_a_block_of_the_library_which_can_be_copied(cli, tmp_path):
    text = cli("show", "basic").output
    assert text == zoo.library()["basic"].read_text()
    copied = "".join(f"    {line}\n" for line in text.splitlines())
    (tmp_path / "mine.yaml").write_text(
        f"archspec: 1\nextends: resnet18\nblocks:\n  mine:\n{copied}stages: {{layer1: {{block: mine}}}}\n"
    )
    assert cli("check", "mine.yaml").exit_code == 0
    listed = cli("list").output
    assert all(name in listed for name in zoo.library())


def test_ir_has_a_textual_form(cli):
    text = cli("build", "resnet50", "--emit", "ir").output
    assert text.startswith("net resnet50 (input: 3x224x224) -> (1000) {\n")
    assert "2 x bottleneck" in text
    assert "maxpool = max_pool(relu) [kernel=3x3 stride=2x2 padding=1x1 ceil=false] : 64x56x56" in text


def test_explain_says_what_a_block_or_a_shortcut_is(cli):
    shown = cli("explain", "bottleneck").output
    assert "A 1x1 convolution that narrows" in shown
    assert "  expansion 4\n" in shown
    assert "its steps: archspec show bottleneck" in shown
    assert "(Srivastava et\nal., 2015)" in cli("explain", "highway").output
    assert "did you mean `bottleneck`?" in cli("explain", "botleneck").stderr
    for name in zoo.library():
        assert cli("explain", name).exit_code == 0


def test_explain_says_what_an_operation_is(cli):
    from archspec.ops import OPS

    assert "did you mean `conv`" in cli("explain", "conw").output
    for kind, op in OPS.items():
        told = cli("explain", kind).stdout
        assert told.startswith(f"{kind}\n"), kind
        assert all(re.search(rf"^  {name}\b", told, re.MULTILINE) for name in op.arguments()), kind


def test_list_tells_the_arguments_and_presets_of_a_spec(cli, tmp_path):
    shown = cli("list", "cifar_resnet").output
    assert "  shortcut       zero_pad" in shown
    assert re.search(r"^  resnet110 +1,727,962 parameters +252,887,680 multiply-adds +110 layers$", shown, re.M)
    found = json.loads(cli("list", "resnet50", "--format", "json").stdout)
    assert found["arguments"]["stride_in_1x1"] is False
    assert found["presets"][0] == {"name": "paper", "params": 25557032, "macs": 3857973248, "depth": 50}
    (tmp_path / "base").mkdir()
    (tmp_path / "base/base.yaml").write_text("archspec: 1\nextends: resnet18\n")
    (tmp_path / "net").mkdir()
    (tmp_path / "net/net.yaml").write_text("archspec: 1\nextends: ../base/base.yaml\n")
    assert cli("list", "net/net.yaml").exit_code == 1
    assert cli("list", "net/net.yaml", "--include", "base").exit_code == 0
    assert cli("list", "--include", "base").exit_code == 2
    assert cli("list", "no_such_net").exit_code == 1

"""Every net of the zoo has exactly the counts that the paper's arithmetic gives, and the built model has them too."""

import json
from pathlib import Path

import pytest

import archspec
from archspec.compile import look
from archspec.ir.verify import verify
from archspec.loading import zoo

FACTS = json.loads((Path(__file__).parents[1] / "data" / "facts.json").read_text())
OPTIONS = {"A": "zero_pad", "B": "projection", "C": "projection_all"}

CASES = {f"{n}/{o}": (n, {"shortcut": s}) for n in ("resnet18", "resnet34") for o, s in OPTIONS.items()}
for depth in (50, 101, 152):
    for option, shortcut in OPTIONS.items():
        CASES[f"resnet{depth}/{option}/stride-in-3x3"] = (f"resnet{depth}", {"shortcut": shortcut})
        CASES[f"resnet{depth}/{option}/stride-in-1x1"] = (
            f"resnet{depth}", {"shortcut": shortcut, "stride_in_1x1": True})  # fmt: skip
CASES |= {name: (name, {}) for name in ("plain18", "plain34", "vgg19")}
for depth in (20, 32, 44, 56, 110, 1202):
    for option, shortcut in OPTIONS.items():
        CASES[f"resnet{depth}-cifar/{option}"] = (f"cifar_resnet:resnet{depth}", {"shortcut": shortcut})
    if depth < 1202:
        CASES[f"plain{depth}-cifar"] = (f"cifar_resnet:plain{depth}", {})


@pytest.mark.parametrize("fact", CASES)
def test_counts_are_those_of_the_facts(fact):
    name, overrides = CASES[fact]
    net = archspec.load(name, set=overrides)
    counts = (net.cost.params, net.cost.params_without_norm, net.cost.macs, list(net.input_shape), net.classes)
    assert counts == tuple(FACTS[fact][k] for k in ("params", "params_without_norm", "macs", "input", "classes"))


@pytest.mark.parametrize("n", [3, 5, 7, 9, 18, 200])
def test_cifar_family_has_the_closed_form(n):
    for shortcut in ("none", "zero_pad"):
        cost = archspec.load("cifar_resnet", set={"n": n, "shortcut": shortcut}).cost
        assert (cost.params, cost.macs, cost.depth) == (97_216 * n - 21_926, 14_155_776 * n - 1_916_288, 6 * n + 2)


def test_stride_in_the_first_1x1_saves_what_the_paper_saves():
    for name in ("resnet50", "resnet101", "resnet152"):
        macs = [archspec.load(spec).cost.macs for spec in (name, f"{name}:paper")]
        assert macs[0] - macs[1] == 231_211_008


@pytest.mark.parametrize("name", zoo.names())
def test_every_net_verifies_and_counts_as_built(name):
    pytest.importorskip("torch")
    net = archspec.load(name)
    counts_as_built(net, name)
    presets = net.resolved.root.get("presets")
    for key, _ in presets.items() if presets else []:
        preset, problems = look(f"{name}:{key}", presets=False)  # the others were looked at beside the net itself
        assert not [problem for problem in problems if problem.is_error], key
        counts_as_built(preset, f"{name}:{key}")


def counts_as_built(net, name):
    import torch

    assert verify(net.root) == [], name
    assert net.recipe is not None or net.outputs, name
    with torch.device("meta"):
        model = archspec.build(net, backend="torch")
    parameters = {k: tuple(p.shape) for k, p in model.named_parameters()}
    assert parameters == net.parameter_shapes(), name
    assert sum(p.numel() for p in model.parameters()) == net.cost.params, name
    assert sum(b.numel() for b in model.buffers()) == net.cost.buffers, name


@pytest.mark.parametrize("name", ["resnet50", "cifar_highway", "vgg19", "plain18"])
def test_macs_are_those_counted_while_the_model_runs(name):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    net = archspec.load(name)
    counter = FlopCounterMode(display=False)
    with torch.device("meta"):
        model = archspec.build(net, backend="torch").eval()
        with counter:
            model(torch.zeros(1, *net.input_shape))
    assert counter.get_total_flops() == 2 * net.cost.macs


def test_rows_sum_to_the_cost_and_are_in_order_of_execution():
    net = archspec.load("resnet50")
    rows = list(net.modules())
    assert sum(r.params for r in rows) == net.cost.params
    assert sum(r.macs for r in rows) == net.cost.macs
    assert [r.name for r in rows[:8]] == [
        "conv1", "bn1", "relu", "maxpool", "layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.conv2"]  # fmt: skip
    first = rows[0]
    assert (first.op, first.output_shape, first.attributes["kernel"]) == ("conv", (64, 112, 112), (7, 7))
    assert rows[-1].output_shape == (1000,)


def test_plain_twins_are_three_lines():
    for name in ("plain18", "plain34"):
        lines = (zoo.folder() / f"{name}.yaml").read_text().splitlines()
        assert len([line for line in lines if not line.startswith("#")]) == 3


@pytest.mark.parametrize("recipe", zoo.recipes())
def test_every_recipe_is_sound_and_goes_through_the_runtime(recipe):
    from archspec_runtime.recipe.recipe import Recipe

    small = {
        "cifar": {"input.size": 32, "classes": 10},
        "digits": {"input.size": 8, "input.channels": 1, "classes": 10},
    }
    net = archspec.load("resnet18", set={**small.get(recipe.partition("_")[0], {}), "train.recipe": recipe})
    assert Recipe.from_dict(net.recipe).to_dict() == net.recipe


def test_the_recipes_of_timm_start_from_each_other():
    first, second, third = (
        archspec.load("resnet50", set={"train.recipe": f"imagenet_a{n}"}).recipe for n in (1, 2, 3)
    )
    assert [r["epochs"] for r in (first, second, third)] == [600, 300, 100]
    assert [r["optimizer"]["weight_decay"] for r in (first, second, third)] == [0.01, 0.02, 0.02]
    assert (second["data"], second["lr"]) == (first["data"], first["lr"])
    assert (third["data"]["repeats"], third["data"]["size"]) == (1, [{"pixels": 160, "until": None}])
    assert {r["loss"]["threshold"] for r in (second, third)} == {0.2}


def test_stochastic_depth_grows_linearly_as_the_recipe_asks():
    net = archspec.load("resnet50:a1")
    rates = [row.attributes["rate"] for row in net.modules() if row.op == "drop_path"]
    assert rates == pytest.approx([0.05 * index / 15 for index in range(1, 16)])
    assert net.recipe["optimizer"]["kind"] == "lamb"
    assert net.cost.params == archspec.load("resnet50").cost.params
    assert not [row for row in archspec.load("resnet50:a3").modules() if row.op == "drop_path"]


def test_the_place_of_a_block_is_a_name_where_blocks_are_used(spec):
    text = """input: {size: 8}
classes: 10
shortcut: projection
stages:
  - {name: one, block: basic, repeat: 2, width: 4 + index}
  - {name: two, block: basic, repeat: 3, width: 8, drop_path: 0.5 * (index + 1) / blocks}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
    net = archspec.load(spec(text))
    assert [row.attributes["rate"] for row in net.modules() if row.op == "drop_path"] == pytest.approx(
        [0.3, 0.4, 0.5]
    )
    shapes = {row.name: row.output_shape[0] for row in net.modules() if row.name.endswith("conv1")}
    assert list(shapes.values()) == [4, 5, 8, 8, 8]
    verify(net.root)

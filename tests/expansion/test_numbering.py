"""Names of unnamed steps: numbers in a chain, operations in a block's body; one step's changes never rename another's."""

import pytest

import archspec
from archspec.ir.verify import verify
from mistaken import marked

HEAD = "input: {channels: 4, size: 8}\nclasses: 3\n"
TAIL = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
CONV = "{conv: {out: 4, kernel: 1}}"


def names(net):
    return [name.removesuffix(".weight") for name in net.parameter_shapes() if name.endswith("weight")][:-1]


def body(steps, stem="b"):
    return f"{HEAD}blocks: {{b: {{body: [{steps}]}}}}\nstem: [{stem}]\n{TAIL}"


SIBLINGS = {
    "nothing": "",
    "a step that is absent": "{relu: {}, when: 1 > 2}",
    "a step under a condition": "{relu: {}, when: 1 < 2}",
    "a step with a name": "{named: relu}",
    "a constant": "{scale: {value: 0.5}}",
    "a pool": "{global_avg_pool: {keep: true}}",
    "a dropped path": "{drop_path: {rate: 0}}",
    "a stride of 1": "{subsample: {stride: 1}}",
    "a step from elsewhere": "{relu: {}, from: input}",
    "several": "relu, {identity: {}, when: 1 > 2}, {max_pool: {kernel: 1}}",
}


@pytest.mark.parametrize("what", SIBLINGS)
def test_in_a_body_steps_are_called_by_their_operation_whatever_stands_between(spec, what):
    between = f"{SIBLINGS[what]}, " if SIBLINGS[what] else ""
    assert names(archspec.load(spec(body(f"{CONV}, {between}{CONV}")))) == ["b.conv", "b.conv2"]


def test_a_body_that_ends_in_a_vector_has_the_same_names(spec):
    net = archspec.load(spec(body(f"{CONV}, flatten, {{linear: {{out: 4}}}}").replace("global_avg_pool, ", "")))
    assert names(net) == ["b.conv", "b.linear"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(f"{CONV}, {CONV}, {CONV}", ["conv", "conv2", "conv3"]),
     (f"{CONV}, {{x: {CONV}}}, {CONV}", ["conv", "x", "conv2"]),
     (f"{CONV}, {{conv: {{out: 4, kernel: 1}}, when: 1 > 2}}, {CONV}", ["conv", "conv3"]),
     (f"{CONV}, {CONV}, {{conv2: {CONV}}}", ["conv", "conv3", "conv2"]),
     (f"{{conv: {CONV}}}, {CONV}", ["conv", "conv2"])],
)  # fmt: skip
def test_unnamed_steps_are_counted_by_operation_whether_they_are_there_or_not(spec, steps, expected):
    assert names(archspec.load(spec(body(steps)))) == [f"b.{name}" for name in expected]


def chain(steps, beside=""):
    return f"{HEAD}stem:\n  - {{features: [{steps}]{beside}}}\n{TAIL}"


CHAINS = {
    f"{CONV}, norm, relu, {CONV}": ["0", "1", "3"],
    f"{CONV}, {{relu: {{}}, when: 1 > 2}}, {CONV}": ["0", "1"],
    f"{CONV}, {{relu: {{}}, when: 1 < 2}}, {CONV}": ["0", "2"],
    f"{CONV}, {{global_avg_pool: {{keep: true}}}}, {CONV}": ["0", "2"],
    f"{CONV}, {{subsample: {{stride: 1}}}}, {{dropout: {{rate: 0}}}}, {CONV}": ["0", "3"],
    f"{CONV}, {{pad_channels: {{after: 2}}}}, {{scale: {{value: 0.5}}}}, identity, {CONV}": ["0", "4"],
    f"conv_norm_act: {{width: 4}}, [{CONV}, relu, {CONV}], {CONV}": ["0.0", "0.1", "1.0", "1.2", "2"],
    "{squeeze_excite: {reduction: 2}}, {max_pool: {kernel: 2, stride: 2}}": ["0.fc1", "0.fc2"],
}


@pytest.mark.parametrize("steps", CHAINS)
def test_in_a_chain_every_step_that_is_there_has_the_next_number(spec, steps):
    net = archspec.load(spec(chain(steps.replace("conv_norm_act: {width: 4}", "{conv_norm_act: {width: 4}}"))))
    assert names(net) == [f"features.{name}" for name in CHAINS[steps]]
    assert verify(net.root) == []


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("steps", CHAINS)
def test_the_model_that_is_built_has_the_names_of_the_chain(spec, steps, backend):
    pytest.importorskip(backend)
    net = archspec.load(spec(chain(steps.replace("conv_norm_act: {width: 4}", "{conv_norm_act: {width: 4}}"))))
    model = archspec.build(net, backend)
    if backend == "torch":
        import torch

        assert {k: tuple(p.shape) for k, p in model.named_parameters()} == net.parameter_shapes()
        assert model.eval()(torch.zeros(2, *net.input_shape)).shape == (2, 3)
    else:
        import jax.numpy as jnp

        channels, height, width = net.input_shape
        model.eval()
        assert model(jnp.zeros((2, height, width, channels))).shape == (2, 3)


def test_a_chain_in_a_block_is_written_in_the_blocks_terms(spec):
    text = f"""{HEAD}blocks:
  b:
    args: {{width: int, deep: false}}
    body:
      - first: {{conv: {{out: width, kernel: 1}}}}
      - mlp: [{{conv: {{out: width * 2, kernel: 1}}}}, {{relu: {{}}, when: deep}}, {{conv: {{out: in_channels, kernel: 1}}}}]
stem: [{{one: {{b: {{width: 6}}}}}}, {{two: {{b: {{width: 8, deep: true}}}}}}]
{TAIL}"""
    net = archspec.load(spec(text))
    assert names(net) == ["one.first", "one.mlp.0", "one.mlp.1", "two.first", "two.mlp.0", "two.mlp.2"]
    assert net.parameter_shapes()["two.mlp.2.weight"] == (4, 16, 1, 1)
    assert "nn.Conv2d(width, width * 2, kernel_size=1" in archspec.emit(net, "torch")["model.py"]


def test_a_declared_chain_is_numbered_wherever_it_is_used(spec):
    text = f"""{HEAD}blocks: {{pair: {{args: {{width: int}}, chain: [{{conv: {{out: width, kernel: 1}}}}, norm]}}}}
stem: [{{a: {{pair: {{width: 6}}}}}}, {{pair: {{width: 8}}}}]
{TAIL}"""
    assert names(archspec.load(spec(text))) == ["a.0", "a.1", "pair.0", "pair.1"]
    assert [n for n in archspec.load("resnet18").parameter_shapes() if "downsample" in n][:2] == [
        "layer2.0.downsample.0.weight", "layer2.0.downsample.1.weight"]  # fmt: skip


def test_a_chain_without_a_step_that_is_there_passes_its_input_on(spec):
    net = archspec.load(spec(chain("{relu: {}, when: 1 > 2}")))
    assert [row.name for row in net.modules()] == ["global_avg_pool", "fc"]


def test_a_chain_is_there_under_a_condition_and_takes_a_named_value(spec):
    text = chain(CONV, ", from: input, when: 1 > 2").replace("stem:", "stem:\n  - relu")
    assert [row.name for row in archspec.load(spec(text)).modules()] == ["relu", "global_avg_pool", "fc"]
    assert names(archspec.load(spec(text.replace("1 > 2", "1 < 2")))) == ["features.0"]


MISTAKES = {
    "relu, {conv: {out: 4, kernel: 1}, from: input}": ("AS305", "input"),
    "rleu": ("AS301", "rleu"),
    "{conv: {out: 4, kernal: 1}}": ("AS303", "kernal"),
    "{conv: {out: wdith, kernel: 1}}": ("AS202", "wdith"),
    "[]": ("AS305", "[]"),
    "{add: {}}": ("AS307", "add"),
}


@pytest.mark.parametrize("steps", MISTAKES)
def test_mistakes_in_a_chain_have_their_places(mistakes, steps):
    (found,) = mistakes(chain(steps))
    assert (found.code, marked(found)) == MISTAKES[steps]
    assert found.help


def test_where_no_chain_can_be(mistakes):
    (found,) = mistakes(f"{HEAD}stem: [[{CONV}, relu]]\n{TAIL}")
    assert found.code == "AS305"
    assert "features" in found.help
    (found,) = mistakes(f"{HEAD}stem: [{{conv: [64, 3]}}]\n{TAIL}")
    assert found.code == "AS305"
    (found,) = mistakes(f"{HEAD}blocks: {{b: {{chain: [relu], merge: add}}}}\nstem: [b]\n{TAIL}")
    assert (found.code, marked(found)) == ("AS604", "merge")


def test_vgg19_has_the_names_of_torchvision_and_takes_weights_under_those_of_before(cli, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from converting import smaller

    net = smaller("vgg19")
    expected = ["classifier.0", "classifier.3", "classifier.6"]
    assert [
        n.removesuffix(".bias") for n in net.parameter_shapes() if n.startswith("class") and "bias" in n
    ] == expected
    state = archspec.build(net, "torch", seed=3).state_dict()
    maps = dict(pair.split("=") for pair in old_names())
    old = {f"{a.removesuffix('.*')}{name.removeprefix(b.removesuffix('.*'))}": t for a, b in maps.items()
           for name, t in state.items() if name.startswith(b.removesuffix("*"))}  # fmt: skip
    assert len(old) == len(state)
    save_file(old, tmp_path / "old.safetensors")
    options = [word for key in ("input.size=32", "classes=10", "width=4", "units=32") for word in ("--set", key)]
    mapped = [word for pair in old_names() for word in ("--map", pair)]
    done = cli("convert", "old.safetensors", "new.pt", "--spec", "vgg19", *options, *mapped)
    assert done.exit_code == 0, done.output
    found = torch.load(tmp_path / "new.pt", weights_only=True)
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def old_names():
    """The patterns that docs/weights.md shows."""
    from conftest import REPO

    text = (REPO / "docs" / "weights.md").read_text()
    return [word.strip("'\\ ") for line in text.splitlines() if "--map 'stage" in line or "--map 'fc" in line
            for word in line.split("--map ") if "=" in word]  # fmt: skip

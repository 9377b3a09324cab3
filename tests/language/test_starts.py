"""What the parameters of one step start from: `init` beside an operation, in both frameworks, as text and in messages."""

import numpy as np
import pytest

import archspec
from archspec.analysis.diff import diff
from archspec.ir.parse_text import parse_text
from archspec.ir.text import graph_text, to_text
from archspec.ir.verify import verify

NET = """
input: {channels: 3, size: 8}
args: {std: 0.5}
classes: 50
stem:
  - features:
      - {conv: {out: 64, kernel: 3, bias: true}, init: {weight: {trunc_normal: {std: std / 10}}, bias: 0.25}}
      - {batch_norm: {}, init: {weight: 0, bias: {normal: {std: 0.1}}}}
      - {conv: {out: 64, kernel: 3, groups: 4}, init: {weight: uniform_fan_in}}
  - {layers: {wide: {width: 64}}, repeat: 2}
head: [global_avg_pool, {layer_norm: {}, init: {weight: 2}}, {fc: {linear: {out: classes}}, init: {weight: 1 - 1}}]
blocks:
  wide:
    args: {width: int}
    body:
      - {conv1: {conv: {out: width, kernel: 3}}, init: {weight: xavier_uniform}}
      - {conv2: {conv: {out: width, kernel: 3}}, init: {weight: {normal: {std: 1 / width}}}}
      - {conv3: {conv: {out: width, kernel: 1}}}
      - {conv4: {conv: {out: width, kernel: 3}}, init: {weight: {he_normal_fan_in: {gain: 2 * 0.25}}}}
      - {conv5: {conv: {out: width, kernel: 3}}, init: {weight: {xavier_uniform: {gain: 0.5}}}}
      - {add: {}, from: [conv5, input]}
"""
UNIFORM = 3**-0.5
EXPECTED = {  # mean and standard deviation
    "features.0.weight": (0, 0.05),
    "features.0.bias": (0.25, 0),
    "features.1.weight": (0, 0),
    "features.1.bias": (0, 0.1),
    "features.2.weight": (0, UNIFORM / (16 * 9) ** 0.5),
    "layers.0.conv1.weight": (0, UNIFORM * (6 / (2 * 64 * 9)) ** 0.5),
    "layers.1.conv2.weight": (0, 1 / 64),
    "layers.1.conv3.weight": (0, (2 / 64) ** 0.5),
    "layers.0.conv4.weight": (0, 0.5 * (2 / (64 * 9)) ** 0.5),
    "layers.1.conv5.weight": (0, 0.5 * UNIFORM * (6 / (2 * 64 * 9)) ** 0.5),
    "layer_norm.weight": (2, 0),
    "layer_norm.bias": (0, 0),
    "fc.weight": (0, 0),
    "fc.bias": (0, UNIFORM / 64**0.5),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("starts") / "net.yaml"
    path.write_text(f"archspec: 1\nname: starts\n{NET}")
    return archspec.load(path)


def assert_starts(found, expected):
    for name, (mean, deviation) in expected.items():
        values = found[name]
        wide = 5 * deviation * values.size**-0.5  # five standard errors
        assert abs(values.mean() - mean) <= wide + 1e-7, name
        assert abs(values.std() - deviation) <= wide + 1e-7, name


def test_pytorch_starts_as_the_steps_say(net):
    model = archspec.build(net, backend="torch", seed=1)
    assert_starts({name: p.detach().numpy() for name, p in model.named_parameters()}, EXPECTED)


def test_flax_starts_as_the_steps_say(net):
    pytest.importorskip("flax")
    from archspec_flax.names import state_dict

    model = archspec.build(net, backend="flax", seed=1)
    assert_starts(state_dict(model), EXPECTED)


@pytest.mark.parametrize("backend", ["torch", "flax"])
@pytest.mark.parametrize("how", ["uniform_fan_in", "he_normal_fan_out"])
@pytest.mark.parametrize("out", [6, 2])
def test_filters_that_pass_a_channel_each_come_first_and_the_others_are_drawn(spec, backend, how, out):
    pytest.importorskip(backend)
    step = f"{{conv: {{out: {out}, kernel: 3}}, init: {{weight: dirac}}}}"
    net = archspec.load(spec(STEM % step + f"init: {{conv: {how}}}\n"))
    tensors = exported(archspec.build(net, backend=backend, seed=1))
    weight, passed = tensors["conv.weight"], min(out, 3)
    expected = np.zeros((passed, 3, 3, 3))
    expected[range(passed), range(passed), 1, 1] = 1
    assert np.array_equal(weight[:passed], expected)
    assert out == 2 or 0.05 < weight[passed:].std() < 0.5


def exported(model):
    """The tensors of a model by the spec's names."""
    if hasattr(model, "state_dict"):
        return {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    from archspec_flax.names import state_dict

    return state_dict(model)


def test_what_starts_by_step_is_read_by_a_person(net):
    torch = archspec.emit(net, backend="torch")["model.py"]
    assert 'nn.init.trunc_normal_(self.get_parameter("features.0.weight"), std=0.05)' in torch
    assert 'if name.endswith("conv1.weight"):\n                nn.init.xavier_uniform_(parameter)' in torch
    flax = archspec.emit(net, backend="flax")["model.py"]
    assert "kernel_init=nnx.initializers.xavier_uniform()" in flax
    assert "nnx.Linear(" in flax
    assert "bias_init=uniform(64)" in flax


def test_starts_are_part_of_the_text_and_not_of_the_fingerprint(net, spec):
    text = to_text(net)
    assert "init.weight=trunc_normal(0.05) init.bias=0.25]" in text
    assert "init.weight=he_normal_fan_in(0.5)]" in text
    root = parse_text(text)
    assert graph_text(net.name, root) == text
    assert verify(root) == []
    other = archspec.load(spec(NET.replace("init: {weight: 1 - 1}", "init: {weight: 1}")))
    assert net.fingerprint == other.fingerprint
    assert diff(net, other).lines == ("~ fc: init.weight 0.0 -> 1.0",)
    wrong = parse_text(text.replace("init.weight=0.0] : (50)", "init.gain=0.5] : (50)"))
    assert "has no parameter gain to initialize" in " ".join(verify(wrong))


def test_a_bias_that_an_argument_starts_may_stand_in_a_chain(spec):
    chain = "stem: [{features: [{conv: {out: 4, kernel: 3, bias: true, bias_init: -2}}, relu]}]"
    net = archspec.load(
        spec(f"input: {{size: 8}}\nclasses: 4\n{chain}\nhead: [global_avg_pool, {{fc: {{linear: {{out: 4}}}}}}]\n")
    )
    assert float(archspec.build(net, backend="torch").features[0].bias.detach().mean()) == -2


def test_a_net_that_starts_all_anew_says_so_in_lines_that_fit(net, spec):
    text = NET + "init: {linear: {normal: {std: 0.01}}, norm: {scale: 0.5}}\n"
    source = archspec.emit(archspec.load(spec(text)), backend="torch")["model.py"]
    told = '"""Initialize convolutions, linear layers, normalizations and parameters.\n\n        The rest starts as in PyTorch.\n'
    assert told in source
    assert max(map(len, source.splitlines())) <= 100


STEM = "input: {channels: 3, size: 8}\nclasses: 4\nstem: [%s]\nhead: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
CONV = "conv: {out: 4, kernel: 3}"
MISTAKES = {
    "a parameter that is misspelt": (
        f"{{{CONV}, init: {{wieght: 0}}}}", "AS303", "no parameter `wieght`", "did you mean `weight`?"),
    "a bias that is not there": (f"{{{CONV}, init: {{bias: 0}}}}", "AS303", "this `conv` has no `bias`", "`bias: true`"),
    "a norm without parameters": (
        "{batch_norm: {affine: false}, init: {weight: 0}}", "AS303", "this `batch_norm` has no `weight`", "`affine: true`"),
    "an operation without parameters": (
        "{relu: {}, init: {weight: 0}}", "AS303", "`init` is not for `relu`", "take its `init` out"),
    "a scale": ("{scale: {learned: true}, init: {weight: 0}}", "AS303", "`init` is not for `scale`", "say its `value`"),
    "a distribution that is misspelt": (
        f"{{{CONV}, init: {{weight: xavier_unifrom}}}}", "AS303", "called `xavier_unifrom`", "`xavier_uniform`?"),
    "a distribution of another library": (
        f"{{{CONV}, init: {{weight: kaiming_normal_}}}}", "AS303", "no distribution is called `kaiming_normal_`", ""),
    "zeros in a word": (f"{{{CONV}, init: {{weight: zeros}}}}", "AS103", "says the number, not `zeros`", "write `0`"),
    "no deviation": (f"{{{CONV}, init: {{weight: normal}}}}", "AS304", "`normal` needs `std`", "{normal: {std: 0.02}}"),
    "a deviation that follows from a fan": (
        f"{{{CONV}, init: {{weight: {{xavier_uniform: {{std: 1}}}}}}}}", "AS303", "takes a `gain`", "gain: 0.5"),
    "a negative gain": (f"{{{CONV}, init: {{weight: {{xavier_uniform: {{gain: -1}}}}}}}}", "AS104", "must be at least 0", ""),
    "a negative deviation": (f"{{{CONV}, init: {{weight: {{normal: {{std: -1}}}}}}}}", "AS104", "must be at least 0", ""),
    "a fan-in of a bias": (
        "{conv: {out: 4, kernel: 3, bias: true}, init: {bias: uniform_fan_in}}", "AS303", "`bias` has no fan-in", "a number"),
    "one number for all": (f"{{{CONV}, init: 0}}", "AS305", "how each parameter of a step starts", "such as `init: {weight:"),
    "nothing": (f"{{{CONV}, init: {{weight: }}}}", "AS103", "`init.weight` is nothing", "such as"),
    "a list": (f"{{{CONV}, init: {{weight: [0, 1]}}}}", "AS103", "not a number or one distribution", "such as"),
    "an unknown name": (f"{{{CONV}, init: {{weight: 2 * width}}}}", "AS202", "unknown name `width`", ""),
    "an unknown name where it is left out": (
        f"{{{CONV}, init: {{weight: 2 * width}}, when: 1 > 2}}", "AS202", "unknown name `width`", ""),
    "filters of a linear layer": (
        "{linear: {out: 4}, init: {weight: dirac}}", "AS303", "`dirac` is for the weights of a `conv`", "a distribution"),
    "filters in groups": (
        "{conv: {out: 3, kernel: 3, groups: 3}, init: {weight: dirac}}", "AS303", "a `conv` of one group", "`groups`"),
    "filters with an argument": (f"{{{CONV}, init: {{weight: {{dirac: {{gain: 2}}}}}}}}", "AS303", "takes no arguments", "alone"),
    "too few filters to whiten": (
        "{conv: {out: 4, kernel: 2, padding: 0}, init: {weight: whitening}}", "AS303", "24 filters whiten", "`out: 24`"),
    "filters that whiten no image": (
        "relu, {conv: {out: 24, kernel: 2, padding: 0}, init: {weight: whitening}}",
        "AS303", "`conv` starts from training images", "the first step of `stem`"),
    "a block": ("{basic: {width: 4}, init: {weight: 0}}", "AS305", "`basic` is a block", "in the step within"),
    "a chain": (f"{{features: [{{{CONV}}}], init: {{weight: 0}}}}", "AS305", "`features` is a chain", "in the step within"),
    "several steps": (
        f"{{steps: [{{{CONV}}}], repeat: 2, init: {{weight: 0}}}}", "AS305", "`steps` takes no `init`", "in the step"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_start_says_what_to_do(case, spec):
    step, code, message, help_ = MISTAKES[case]
    found = [d for d in archspec.check(spec(STEM % step)) if d.is_error]
    assert [d.code for d in found] == [code], found
    assert message in found[0].message
    assert help_ in (found[0].help or "")
    assert found[0].span.line > 2


def test_a_role_with_a_start_is_refused(spec):
    text = "norm: {batch_norm: {}, init: {weight: 0}}\n" + STEM % "norm"
    assert "`init` has no effect in it" in str(archspec.check(spec(text)))


FAN_OUT, FAN_IN = (lambda s: (2 / (s[0] * s[2] * s[3])) ** 0.5), (lambda s: (2 / (s[1] * s[2] * s[3])) ** 0.5)
UNIFORM_IN = lambda s: UNIFORM * (s[1] * (s[2] * s[3] if len(s) == 4 else 1)) ** -0.5  # noqa: E731
XAVIER = lambda s: UNIFORM * (6 / (s[0] + s[1])) ** 0.5  # noqa: E731
RULES = {  # of torchvision 0.28: by what a name ends with, the standard deviation of what starts from another one
    "densenet121": {"conv0.weight": FAN_IN, "conv2.weight": FAN_IN, "classifier.weight": UNIFORM_IN, "classifier.bias": 0},
    "vit_b_16": {
        "conv_proj.weight": lambda s: (s[1] * s[2] * s[3]) ** -0.5, "mlp.0.weight": XAVIER, "mlp.0.bias": 1e-6,
        "mlp.3.bias": 1e-6,
        "in_proj_weight": XAVIER, "in_proj_bias": 0, "out_proj.weight": UNIFORM_IN, "out_proj.bias": 0,
        "pos_embedding": 0.02, "heads.head.weight": 0, "heads.head.bias": 0,
    },
    "swin_t": {"0.0.weight": UNIFORM_IN, "qkv.weight": 0.02, "reduction.weight": 0.02, "head.weight": 0.02, "head.bias": 0},
    "convnext_tiny": {"0.0.weight": 0.02, "block.3.weight": 0.02, "block.3.bias": 0, "classifier.2.weight": 0.02},
    "regnet_y_400mf": {"stem.0.weight": FAN_OUT, "fc.weight": 0.01, "fc.bias": 0},
    "shufflenet_v2_x1_0": {"conv1.0.weight": UNIFORM_IN, "fc.weight": UNIFORM_IN},
    "mobilenet_v3_small": {"features.0.0.weight": FAN_OUT, "classifier.3.weight": 0.01, "classifier.3.bias": 0},
}  # fmt: skip
SMALL = {
    "vit_b_16": {"depth": 1, "size": 32}, "swin_t": {"deep": 2}, "convnext_tiny": {"deep": 1}, "densenet121": {"classes": 10},
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_families_start_as_torchvision_has_them_start(name):
    model = archspec.build(archspec.load(name, set={"input.channels": 3, **SMALL.get(name, {})}), backend="torch")
    parameters = {key: p.detach().numpy() for key, p in model.named_parameters()}
    for ending, rule in RULES[name].items():
        key = next(key for key in parameters if key.endswith(ending))
        expected = rule(parameters[key].shape) if callable(rule) else rule
        bias = 0 if ending.endswith("bias") or expected == 0 else parameters[key].mean() / expected
        assert abs(bias) < 0.1, key
        assert parameters[key].std() == pytest.approx(expected, rel=0.15), key

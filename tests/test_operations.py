"""Each primitive operation of each backend against the same NumPy reference, forward and gradient."""

import numpy as np
import pytest

import archspec
import reference
from archspec.ops import OPS

torch = pytest.importorskip("torch")

CASES = {
    "conv": [
        "- op: {conv: {out: 6, kernel: 3}}",
        "- op: {conv: {out: 6, kernel: [1, 3], stride: [2, 1], bias: true}}",
        "- op: {conv: {out: 8, kernel: 3, stride: 2, dilation: 2, groups: 2, bias: true, bias_init: 0.5}}",
        "- op: {conv: {out: 4, kernel: 4, padding: 1, groups: 4}}",
    ],
    "linear": [
        "- global_avg_pool\n  - op: {linear: {out: 5}}",
        "- flatten\n  - op: {linear: {out: 5, bias: false}}",
    ],
    "scale": [
        "- op: {scale: {value: 0.5}}",
        "- op: {scale: {value: 0.5, learned: true}}",
        "- op: {scale: {value: -1}}",
    ],
    "batch_norm": ["- op: batch_norm", "- op: {batch_norm: {eps: 0.1, affine: false, momentum: 0.3}}"],
    "layer_norm": [
        "- op: layer_norm",
        "- op: {layer_norm: {eps: 0.1, affine: false}}",
        "- global_avg_pool\n  - op: layer_norm",
    ],
    "group_norm": ["- op: {group_norm: {groups: 2}}", "- op: {group_norm: {groups: 4, eps: 0.1, affine: false}}"],
    "max_pool": [
        "- op: {max_pool: {kernel: 3, stride: 2, padding: 1}}",
        "- op: {max_pool: {kernel: 2, stride: 2, ceil: true}}",
        "- op: {max_pool: {kernel: [3, 2], stride: [2, 3], padding: [1, 0], ceil: true}}",
    ],
    "avg_pool": [
        "- op: {avg_pool: {kernel: 2, stride: 2}}",
        "- op: {avg_pool: {kernel: 3, stride: 2, padding: 1}}",
        "- op: {avg_pool: {kernel: 3, stride: 2, padding: 1, count_padding: true}}",
        "- op: {avg_pool: {kernel: 2, stride: 2, ceil: true}}",
        "- op: {avg_pool: {kernel: 3, stride: 2, padding: 1, ceil: true, count_padding: true}}",
    ],
    "global_avg_pool": ["- op: global_avg_pool", "- op: {global_avg_pool: {keep: true}}"],
    "flatten": ["- op: flatten"],
    "pad_channels": ["- op: {pad_channels: {before: 1, after: 2}}"],
    "subsample": ["- op: {subsample: {stride: 2}}", "- op: {subsample: {stride: [3, 2]}}"],
    "add": ["- a: tanh\n  - b: {sigmoid: {}, from: input}\n  - op: {add: {}, from: [a, b]}"],
    "mul": [
        "- a: tanh\n  - b: {sigmoid: {}, from: input}\n  - op: {mul: {}, from: [a, b]}",
        "- a: tanh\n  - b: {global_avg_pool: {keep: true}}\n  - op: {mul: {}, from: [a, b]}",
    ],
    "concat": ["- a: tanh\n  - b: {conv: {out: 3, kernel: 1}, from: input}\n  - op: {concat: {}, from: [a, b, a]}"],
    "dropout": ["- op: {dropout: {rate: 0}}"],
    "drop_path": ["- op: {drop_path: {rate: 0}}"],
}
POINTWISE = ["relu", "relu6", "gelu", "silu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "identity"]
CASES |= {kind: [f"- op: {kind}", f"- c: {{conv: {{out: 4, kernel: 1}}}}\n  - op: {kind}"] for kind in POINTWISE}
TEXTS = [(kind, text) for kind, texts in CASES.items() for text in texts]


def test_every_operation_has_a_case_and_a_reference():
    assert set(CASES) == set(OPS) == set(reference.RULES)


def test_every_backend_supports_every_operation():
    from archspec.backends import backend_names, find_backend

    for name in backend_names():
        assert find_backend(name).supported == set(OPS)


def check(net, batch=3, tolerance=1e-9):
    """Compare a net's emitted code with the reference: result, and gradients of input and parameters."""
    random = np.random.default_rng(0)
    params = {name: random.normal(size=shape) for name, shape in net.parameter_shapes().items()}
    x = random.normal(size=(batch, *net.input_shape))
    y, vjp = reference.run(net.root, [x], params)
    dy = random.normal(size=y.shape)
    (dx,), grads = vjp(dy)

    model = archspec.build(net, backend="torch").double().train()
    model.load_state_dict({k: torch.from_numpy(v) for k, v in params.items()}, strict=False)
    image = torch.from_numpy(x).requires_grad_()
    logits = model(image)
    logits.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(logits.detach().numpy(), y, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(image.grad.numpy(), dx, rtol=tolerance, atol=tolerance)
    assert set(grads) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), grads[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize(("kind", "text"), TEXTS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(TEXTS)])
def test_operation_equals_the_reference(kind, text, spec):
    vector = (
        "(N"
        if kind in ("linear", "flatten") or "- global_avg_pool\n" in text or text == "- op: global_avg_pool"
        else ""
    )
    head = "[{fc: {linear: {out: classes}}}]" if vector else "[flatten, {fc: {linear: {out: classes}}}]"
    path = spec(f"input: {{channels: 4, size: [7, 9]}}\nclasses: 5\nstem:\n  {text}\nhead: {head}\n")
    check(archspec.load(path))


@pytest.mark.parametrize("kind", ["dropout", "drop_path"])
def test_dropping_keeps_the_mean_and_is_off_in_evaluation(kind, spec):
    path = spec(
        f"input: {{channels: 2, size: 8}}\nclasses: 128\nstem: [{{{kind}: {{rate: 0.25}}}}]\nhead: [flatten]\n"
    )
    model = archspec.build(archspec.load(path), backend="torch")
    ones = torch.ones(4000, 2, 8, 8)
    torch.manual_seed(0)
    out = model.train()(ones)
    kept = out != 0
    assert torch.equal(out[kept], torch.full_like(out[kept], 1 / 0.75))
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.03)
    whole = bool((kept.all(1) | (~kept).all(1)).all())
    assert whole == (kind == "drop_path")
    assert torch.equal(model.eval()(ones), ones.flatten(1))


OPTIONS = ["none", "zero_pad", "projection", "projection_all"]
SMALL = [("digits_resnet", option) for option in OPTIONS] + [("cifar_resnet", option) for option in OPTIONS]
SMALL += [("cifar_highway", None)]


@pytest.mark.parametrize(("name", "shortcut"), SMALL)
def test_whole_nets_equal_the_reference(name, shortcut):
    chosen = {"shortcut": shortcut} if shortcut else {}
    net = archspec.load(name, set={"n": 1, "input.size": 8, "train.data.dataset": "synthetic", **chosen})
    check(net, tolerance=1e-8)


def test_bottlenecks_equal_the_reference(spec):
    text = """
input: {channels: 3, size: 16}
classes: 4
shortcut: projection
stages:
  - {name: layer1, block: bottleneck, repeat: 2, width: 4, groups: 2}
  - {name: layer2, block: bottleneck, repeat: 2, width: 4, stride: 2, stride_in_1x1: true, shortcut: {zero_pad: {zeros: end}}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
    check(archspec.load(spec(text)), tolerance=1e-8)

"""The shortcuts and orders of He et al. (2016), "Identity Mappings in Deep Residual Networks", by the formulas of its tables."""

import pytest

import archspec

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402


def blocks(**settings):
    """A block that keeps the shape, and one that changes it, each with an input; in evaluation, with statistics of its own."""
    model = archspec.build(archspec.load("digits_resnet", set={"n": 1, **settings}), "torch", seed=0)
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(images)  # which gathers statistics
    found = []
    for layer in (model.layer1, model.layer2):
        layer.register_forward_hook(lambda module, inputs, _: found.append((module[0], inputs[0])))
    with torch.no_grad():
        model.eval()(images)
    return found


def fitted(x, like):
    """Option A: every second pixel, zeros on both sides of the channels."""
    stride, more = x.shape[2] // like.shape[2], like.shape[1] - x.shape[1]
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, more // 2, more - more // 2))


def gate(block, x):
    return torch.sigmoid(block.gate.conv(x))


SHORTCUTS = {
    "constant scaling 0.5 and 1": (
        {"constant_scaling": {"on_branch": 1}}, lambda block, x, branch, same: branch + 0.5 * same),
    "constant scaling 0.5 and 0.5": ("constant_scaling", lambda block, x, branch, same: 0.5 * branch + 0.5 * same),
    "exclusive gating": (
        "exclusive_gating", lambda block, x, branch, same: gate(block, x) * branch + (1 - gate(block, x)) * same),
    "shortcut-only gating": (
        {"shortcut_only_gating": {"bias": 0}}, lambda block, x, branch, same: branch + (1 - gate(block, x)) * same),
    "1x1 convolution": ("projection_all", lambda block, x, branch, same: branch + block.downsample(x)),
    "dropout": ("dropout", lambda block, x, branch, same: branch + same),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORTCUTS)
def test_shortcuts_of_table_1(name):
    shortcut, formula = SHORTCUTS[name]
    for block, x in blocks(shortcut=shortcut):
        with torch.no_grad():
            branch = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
            expected = F.relu(formula(block, x, branch, fitted(x, branch)))
            assert torch.allclose(block(x), expected, atol=1e-6)


def test_dropout_drops_values_of_the_shortcut_in_training():
    (block, x), _ = blocks(shortcut="dropout")
    branch = torch.zeros_like(x)
    kept = block.train().shortcut(x, branch)
    assert 0.3 < (kept[x > 0] == 0).float().mean() < 0.7
    assert ((kept == 0) | torch.isclose(kept, 2 * x)).all()


def test_gates_start_as_they_are_told():
    for (block, _), bias in (
        (blocks(shortcut="exclusive_gating")[0], -6),
        (blocks(shortcut="shortcut_only_gating")[1], -6),
    ):
        assert (block.gate.conv.bias == bias).all()


def norm_after_add(b, x, same):
    return F.relu(b.bn2(b.conv2(F.relu(b.bn1(b.conv1(x)))) + same))


def act_before_add(b, x, same):
    return F.relu(b.bn2(b.conv2(F.relu(b.bn1(b.conv1(x)))))) + same


def act_first(b, x, same):
    return b.bn2(b.conv2(F.relu(b.bn1(b.conv1(F.relu(x)))))) + same


def preact(b, x, same):
    return b.conv2(F.relu(b.bn2(b.conv1(F.relu(b.bn1(x)))))) + same


ORDERS = {
    "basic_norm_after_add": norm_after_add,
    "basic_act_before_add": act_before_add,
    "basic_act_first": act_first,
    "preact_basic": preact,
}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_of_table_2(name):
    for block, x in blocks(block=name):
        with torch.no_grad():
            same = fitted(x, block.conv1(x))
            assert torch.allclose(block(x), ORDERS[name](block, x, same), atol=1e-5)


def test_what_blocks_do_not_activate_is_activated_before_them_or_after_the_last():
    """The stem and the head of each order: which normalizations and activations stand outside of the blocks."""
    outside = {
        name: [row.name for row in archspec.load("digits_resnet", set={"n": 1, "block": name}).modules()
               if "." not in row.name and row.op in ("batch_norm", "relu")]
        for name in ("basic", *ORDERS)
    }  # fmt: skip
    ends = {"basic_act_first": ["bn1", "relu2"], "preact_basic": ["bn2", "relu2"]}
    assert outside == {name: ends.get(name, ["bn1", "relu"]) for name in outside}

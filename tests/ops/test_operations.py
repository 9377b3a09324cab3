"""Each primitive operation of each backend against the same NumPy reference: forward and gradient, in training and in
evaluation, and what batch normalization gathers."""

import numpy as np
import pytest

import archspec
import reference
from archspec.ops import OPS
from comparing import check
from operation_nets import BACKENDS, CASES, TEXTS


def test_every_operation_has_a_case_and_a_reference():
    assert set(CASES) == set(OPS) == set(reference.RULES)


def test_every_backend_supports_every_operation():
    from archspec.backends import backend_names, find_backend

    for name in backend_names():
        assert find_backend(name).supported == set(OPS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "text"), TEXTS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(TEXTS)])
def test_operation_equals_the_reference(kind, text, backend, spec):
    head = "head: [flatten, {fc: {linear: {out: classes}}}]"
    path = spec(f"input: {{channels: 4, size: [7, 9]}}\nclasses: 5\nstem:\n  {text}\n{head}\n")
    check(archspec.load(path), backend=backend, slopes_in_evaluation=kind == "batch_norm")


def dropped(backend, net, ones):
    """A batch in training and in evaluation, (N, C H W)."""
    if backend == "torch":
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        model, x = archspec.build(net, backend="torch"), torch.from_numpy(ones)
        return model.train()(x).numpy(), model.eval()(x).numpy()
    pytest.importorskip("flax")
    model, x = archspec.build(net, backend="flax"), ones.transpose(0, 2, 3, 1)
    model.train()
    first, second = np.asarray(model(x)), np.asarray(model(x))
    assert not np.array_equal(first, second), "each call draws anew"
    model.eval()
    return first, np.asarray(model(x))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["dropout", "drop_path"])
def test_dropping_keeps_the_mean_and_is_off_in_evaluation(kind, backend, spec):
    path = spec(
        f"input: {{channels: 2, size: 8}}\nclasses: 128\nstem: [{{{kind}: {{rate: 0.25}}}}]\nhead: [flatten]\n"
    )
    ones = np.ones((4000, 2, 8, 8), np.float32)
    training, evaluation = dropped(backend, archspec.load(path), ones)
    kept = training != 0
    np.testing.assert_array_equal(training[kept], np.float32(1 / 0.75))
    assert kept.mean() == pytest.approx(0.75, abs=0.03)
    assert bool((kept.all(1) | (~kept).all(1)).all()) == (kind == "drop_path")
    np.testing.assert_array_equal(evaluation, ones.reshape(4000, -1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_draw_a_block_drops_the_branch_of_a_whole_batch(backend, spec):
    """As torchvision's `stochastic_depth` in mode `batch`, the form of Huang et al. (2016)."""
    block = "blocks: {branch: {args: {once: true}, body: [{drop_path: {rate: 0.25, per_batch: once}}]}}"
    stages = "shortcut: none\nstages: [{name: s, block: branch, repeat: 1}]\nhead: [flatten]"
    net = archspec.load(spec(f"input: {{channels: 2, size: 4}}\nclasses: 32\n{stages}\n{block}\n"))
    draws = np.stack(repeated(backend, net, np.ones((3, 2, 4, 4), np.float32), 200))
    assert (draws == draws[:, :1, :1]).all()
    assert set(np.unique(draws)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (draws[:, 0, 0] != 0).mean() == pytest.approx(0.75, abs=0.1)


def repeated(backend, net, x, times):
    """What a net in training answers to a batch, so many times."""
    if backend == "torch":
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        model = archspec.build(net, backend="torch").train()
        return [model(torch.from_numpy(x)).numpy() for _ in range(times)]
    nnx = pytest.importorskip("flax.nnx")
    model, image = archspec.build(net, backend="flax"), x.transpose(0, 2, 3, 1)
    model.train()
    return [np.asarray(answer) for answer in map(nnx.jit(lambda m, y: m(y)), [model] * times, [image] * times)]

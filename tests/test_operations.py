"""Each primitive operation of each backend against the same NumPy reference: forward and gradient, in training and in
evaluation, and what batch normalization gathers."""

import contextlib
import importlib.util

import numpy as np
import pytest

import archspec
import reference
from archspec.ops import OPS

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
    "pad_channels": ["- op: {pad_channels: {before: 1, after: 2}}", "- op: pad_channels"],
    "subsample": [
        "- op: {subsample: {stride: 2}}",
        "- op: {subsample: {stride: [3, 2]}}",
        "- op: {subsample: {stride: 1}}",
    ],
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
BACKENDS = ["torch", "flax"]


def test_every_operation_has_a_case_and_a_reference():
    assert set(CASES) == set(OPS) == set(reference.RULES)


def test_every_backend_supports_every_operation():
    from archspec.backends import backend_names, find_backend

    for name in backend_names():
        assert find_backend(name).supported == set(OPS)


# --- one way to ask each backend; images, parameters and gradients are the spec's, (N, C, H, W) and (O, I, H, W) -----------


class Torch:
    """A model in PyTorch, in double precision."""

    def __init__(self, net, params):
        import torch

        self.torch = torch
        self.model = archspec.build(net, backend="torch").double()
        self.model.load_state_dict({k: torch.from_numpy(v) for k, v in params.items()}, strict=False)

    def run(self, x, dy, training=True):
        """The result, the gradient of the input, and those of the parameters."""
        self.model.train(training).zero_grad()
        image = self.torch.from_numpy(x).requires_grad_()
        y = self.model(image)
        y.backward(self.torch.from_numpy(dy))
        return y.detach().numpy(), image.grad.numpy(), {n: p.grad.numpy() for n, p in self.model.named_parameters()}

    def evaluate(self, x):
        with self.torch.no_grad():
            return self.model.eval()(self.torch.from_numpy(x)).numpy()

    def buffers(self):
        return {name: buffer.numpy() for name, buffer in self.model.named_buffers()}


class Flax:
    """A model in Flax; with 64 bits it is as precise as what is loaded."""

    quickly = (("xla_backend_optimization_level", 0),)  # most of the time would go into compiling

    def __init__(self, net, params):
        from archspec_flax import names

        self.names = names
        self.model = archspec.build(net, backend="flax")
        state = {k: v.astype(np.float64) if v.ndim else v for k, v in names.state_dict(self.model).items()}
        names.load_state_dict(self.model, state | params)

    def run(self, x, dy, training=True):
        """The result, the gradient of the input, and those of the parameters."""
        import jax
        import jax.numpy as jnp
        from flax import nnx

        (self.model.train if training else self.model.eval)()

        graph, params, others = nnx.split(self.model, nnx.Param, ...)

        def loss(params, others, image):
            model = nnx.merge(graph, params, others, copy=True)
            y = model(image)
            return jnp.sum(y * dy), (y, nnx.state(model, nnx.Not(nnx.Param)))

        gradient = jax.jit(jax.grad(loss, argnums=(0, 2), has_aux=True), compiler_options=dict(self.quickly))
        (grads, dx), (y, others) = gradient(params, others, jnp.asarray(x.transpose(0, 2, 3, 1)))
        nnx.update(self.model, others)
        named = {
            self.names.spec_names(path, {})[0]: self.names.to_spec(g.get_value())
            for path, g in nnx.to_flat_state(grads)
        }
        return np.asarray(y), np.asarray(dx).transpose(0, 3, 1, 2), named

    def evaluate(self, x):
        import jax
        from flax import nnx

        self.model.eval()
        graph, state = nnx.split(self.model)
        forward = jax.jit(lambda state, image: nnx.merge(graph, state)(image), compiler_options=dict(self.quickly))
        return np.asarray(forward(state, x.transpose(0, 2, 3, 1)))

    def buffers(self):
        from flax import nnx

        kept = self.names.places(self.model)
        state = self.names.state_dict(self.model)
        return {name: state[name] for name, place in kept.items() if isinstance(place.variable, nnx.BatchStat)}


@contextlib.contextmanager
def precisely(backend):
    """Double precision where it has to be asked for; skips what is not installed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if backend != "flax":
        yield {"torch": Torch}[backend]
        return
    import jax

    with (
        jax.enable_x64(True),
        jax.default_prng_impl("unsafe_rbg"),
    ):  # a generator that compiles in a fifth of the time
        yield Flax


@contextlib.contextmanager
def batch_norm_as(rule):
    """Another rule for batch normalization in the reference."""
    usual = reference.RULES["batch_norm"]
    reference.RULES["batch_norm"] = lambda op, inputs, params: rule(usual, op, inputs, params)
    try:
        yield
    finally:
        reference.RULES["batch_norm"] = usual


class Statistics:
    """What batch normalizations gather in one step, in the order of execution, and how they then evaluate."""

    def __init__(self):
        self.running = []
        self.used = 0

    def gather(self, usual, op, inputs, params):
        (x,) = inputs
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=1)
        self.running.append((op.momentum * mean, (1 - op.momentum) + op.momentum * var))
        return usual(op, inputs, params)

    def evaluate(self, usual, op, inputs, params):
        mean, var = (s[:, None, None] for s in self.running[self.used])
        self.used += 1
        scale = 1 / np.sqrt(var + op.eps)
        return reference._affine(op, (inputs[0] - mean) * scale, lambda dz: dz * scale, params)


def check(net, batch=3, tolerance=1e-9, backend="torch", slopes_in_evaluation=False):
    """Compare a net's emitted code with the reference: a step of training, what it gathered, and evaluation after it."""
    random = np.random.default_rng(0)
    params = {name: random.normal(size=shape) for name, shape in net.parameter_shapes().items()}
    x = random.normal(size=(batch, *net.input_shape))
    statistics = Statistics()
    with precisely(backend) as make:
        model = make(net, params)
        with batch_norm_as(statistics.gather):
            y, vjp = reference.run(net.root, [x], params)
        dy = random.normal(size=y.shape)
        same(model.run(x, dy), (y, *slopes(vjp, dy)), tolerance)
        expected = {}
        names = [row.name for row in net.modules() if row.op == "batch_norm"]
        for name, (mean, var) in zip(names, statistics.running, strict=True):
            expected |= {f"{name}.running_mean": mean, f"{name}.running_var": var, f"{name}.num_batches_tracked": 1}
        same(model.buffers(), expected, tolerance)

        with batch_norm_as(statistics.evaluate):
            y, vjp = reference.run(net.root, [x], params)
        same(model.evaluate(x), y, tolerance)
        if slopes_in_evaluation:
            same(model.run(x, dy, training=False), (y, *slopes(vjp, dy)), tolerance)
            same(model.buffers(), expected, tolerance)


def slopes(vjp, dy):
    (dx,), grads = vjp(dy)
    return dx, grads


def same(found, expected, tolerance):
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for name, value in expected.items():
            close(found[name], value, tolerance, name)
    elif isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            same(one, other, tolerance)
    else:
        close(found, expected, tolerance)


def close(found, expected, tolerance, name=""):
    """Equal but for rounding, which is that of the largest numbers that were summed."""
    size = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * size, err_msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "text"), TEXTS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(TEXTS)])
def test_operation_equals_the_reference(kind, text, backend, spec):
    vector = (
        "(N"
        if kind in ("linear", "flatten") or "- global_avg_pool\n" in text or text == "- op: global_avg_pool"
        else ""
    )
    head = "[{fc: {linear: {out: classes}}}]" if vector else "[flatten, {fc: {linear: {out: classes}}}]"
    path = spec(f"input: {{channels: 4, size: [7, 9]}}\nclasses: 5\nstem:\n  {text}\nhead: {head}\n")
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


OPTIONS = ["none", "zero_pad", "projection", "projection_all"]
SMALL = [("digits_resnet", option) for option in OPTIONS] + [("cifar_resnet", option) for option in OPTIONS]
SMALL += [("cifar_highway", None)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "shortcut"), SMALL)
def test_whole_nets_equal_the_reference(name, shortcut, backend):
    chosen = {"shortcut": shortcut} if shortcut else {}
    net = archspec.load(name, set={"n": 1, "input.size": 8, "train.data.dataset": "synthetic", **chosen})
    check(net, tolerance=1e-8, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bottlenecks_equal_the_reference(spec, backend):
    text = """
input: {channels: 3, size: 16}
classes: 4
shortcut: projection
stages:
  - {name: layer1, block: bottleneck, repeat: 2, width: 4, groups: 2}
  - {name: layer2, block: bottleneck, repeat: 2, width: 4, stride: 2, stride_in_1x1: true, shortcut: {zero_pad: {zeros: end}}}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
    check(archspec.load(spec(text)), tolerance=1e-8, backend=backend)


INVERTED = """
input: {channels: 3, size: 10}
classes: 4
blocks:
  inverted:
    args: {width: int, stride: 1, expand: 3}
    out: width
    shortcut: SHORTCUT
    body:
      - expand: {conv_norm_act: {width: in_channels * expand, kernel: 1}}
      - depthwise: {conv_norm_act: {width: in_channels * expand, stride: stride, groups: in_channels * expand}}
      - project: {conv: {out: width, kernel: 1}}
      - norm
    merge: add
shortcuts:
  where_it_fits:
    when: stride == 1 and in_channels == out_channels
    join: [{add: {}, from: [branch, input]}]
init: {zero_last_norm: true}
stages:
  - {name: one, block: inverted, repeat: 2, width: 4}
  - {name: two, block: inverted, repeat: 3, width: 6, stride: 2}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize(
    ("backend", "shortcut"), [*((b, "identity_or_none") for b in BACKENDS), ("torch", "where_it_fits")]
)
def test_nothing_is_merged_where_a_shortcut_says_so(spec, backend, shortcut):
    net = archspec.load(spec(INVERTED.replace("SHORTCUT", shortcut)))
    adds = [row.name for row in net.modules() if row.op == "add"]
    assert [name.rsplit(".", 1)[0].removesuffix(".shortcut") for name in adds] == ["one.1", "two.1", "two.2"]
    check(net, tolerance=1e-8, backend=backend)
    if backend == "torch":
        model = archspec.build(net, backend)
        last = {k: p for k, p in model.state_dict().items() if k.endswith("batch_norm.weight")}
        started = {k.removesuffix(".batch_norm.weight") for k, p in last.items() if not p.any()}
        assert started == {"one.1", "two.1", "two.2"}, "a block that merges nothing would start dead"


SOMETIMES = """
input: {channels: 4, size: 9}
classes: 3
blocks:
  b:
    args: {width: int, deep: false}
    out: width
    body:
      - conv1: {conv: {out: width, kernel: 3}}
      - sub: {subsample: {stride: 2}}
        when: deep
      - scale: {value: 0.5}
        when: deep
      - pad: {pad_channels: {before: 1, after: 2}}
        when: deep
      - cut: {conv: {out: width, kernel: 1}}
        when: deep
      - gelu: {}
        when: deep
      - max_pool: {kernel: 2, stride: 2, ceil: true}
        when: deep
stages:
  - {name: s1, block: b, width: 4}
  - {name: s2, block: b, width: 4, deep: true}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_that_are_there_in_some_instances_only(spec, backend):
    check(archspec.load(spec(SOMETIMES)), backend=backend)


CONFUSING = """
input: {channels: 4, size: 6}
classes: 3
shortcut: projection
stem:
  - torch: {conv: {out: 4, kernel: 3}}
  - jnp: tanh
  - out: {concat: {}, from: [torch, jnp, torch]}
  - x: {conv: {out: 4, kernel: 1}}
  - tanh
  - nnx: {add: {}, from: [x, tanh]}
  - avg_pool: {kernel: 3, stride: 1, padding: 1}
  - tanh
  - add: {}
    from: [avg_pool, tanh2]
blocks:
  b:
    args: {width: int}
    out: width
    body:
      - out: {conv: {out: width, kernel: 3}}
      - relu
      - sigmoid
      - add: {}
        from: [out, sigmoid]
    merge: add
stages: [{name: max, block: b, width: 4}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_of_steps_may_be_those_of_variables_and_modules(spec, backend):
    check(archspec.load(spec(CONFUSING)), backend=backend)

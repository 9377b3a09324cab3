"""A net's emitted code in either framework, in double precision, against the NumPy reference."""

import contextlib
import importlib.util

import numpy as np
import pytest

import archspec
import reference
from archspec.backends import find_builder
from archspec.ir.liveness import for_inference

QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""Options of XLA for programs that run once on a CPU: most of the time would go into compiling."""


class Torch:
    """A model in PyTorch, in double precision."""

    def __init__(self, net, params):
        import torch

        self.torch = torch
        self.model = archspec.build(net, backend="torch").double()
        tables, made = tables_of_windows(net), self.model.state_dict()
        for name, table in tables.items():  # which the model computes in single precision
            np.testing.assert_allclose(made[name].numpy(), table, rtol=1e-6)
        self.model.load_state_dict({k: torch.from_numpy(v) for k, v in (params | tables).items()}, strict=False)

    def run(self, x, dy, training=True):
        """The result, the gradient of the input, and those of the parameters."""
        self.model.train(training).zero_grad()
        image = self.torch.from_numpy(x).requires_grad_()
        y = self.model(image)
        named = y if isinstance(y, dict) else {"": y}
        slopes = dy if isinstance(dy, dict) else {"": dy}
        self.torch.autograd.backward(list(named.values()), [self.torch.from_numpy(slopes[name]) for name in named])
        grads = {n: p.grad.numpy() for n, p in self.model.named_parameters()}
        return each(y, lambda one: one.detach().numpy()), image.grad.numpy(), grads

    def evaluate(self, x):
        with self.torch.no_grad():
            return each(self.model.eval()(self.torch.from_numpy(x)), lambda one: one.numpy())

    def buffers(self):
        return {name: buffer.numpy() for name, buffer in self.model.named_buffers()}


class Flax:
    """A model in Flax; with 64 bits it is as precise as what is loaded."""

    def __init__(self, net, params):
        from archspec_flax import names

        self.names = names
        # with weights, since otherwise half of a test's time goes into the program that draws them
        self.model = find_builder("flax").build(net, seed=0, weights=params | buffers_at_the_start(net))

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
            sums = jax.tree.map(lambda one, slope: jnp.sum(one * slope), y, each(dy, channels_last))
            return sum(jax.tree.leaves(sums)), (y, nnx.state(model, nnx.Not(nnx.Param)))

        gradient = jax.jit(jax.grad(loss, argnums=(0, 2), has_aux=True), compiler_options=QUICKLY)
        (grads, dx), (y, others) = gradient(params, others, jnp.asarray(x.transpose(0, 2, 3, 1)))
        nnx.update(self.model, others)
        named = {
            self.names.spec_names(path, {})[0]: self.names.to_spec(g.get_value())
            for path, g in nnx.to_flat_state(grads)
        }
        return each(y, channels_first), channels_first(dx), named

    def evaluate(self, x):
        import jax
        from flax import nnx

        self.model.eval()
        graph, state = nnx.split(self.model)
        forward = jax.jit(lambda state, image: nnx.merge(graph, state)(image), compiler_options=QUICKLY)
        return each(forward(state, x.transpose(0, 2, 3, 1)), channels_first)

    def buffers(self):
        from flax import nnx

        kept = self.names.places(self.model)
        state = self.names.state_dict(self.model)
        return {name: state[name] for name, place in kept.items() if isinstance(place.variable, nnx.BatchStat)}


def position_index(op):
    """The buffer of a bias: the row of the table of each pair of places."""
    index = reference.position_index(op)
    return index.reshape(-1) if op.flat else index


def buffers_at_the_start(net):
    """What a net has beside its parameters, before the first step."""
    shapes = net.tensor_shapes()
    starts = {"running_mean": np.zeros, "running_var": np.ones}
    buffers = {n: starts[n.rpartition(".")[2]](shapes[n]) for n in shapes if n.rpartition(".")[2] in starts}
    buffers |= {n: np.zeros((), np.int64) for n in shapes if n.endswith("num_batches_tracked")}
    return buffers | tables_of_windows(net)


def tables_of_windows(net):
    tables = {"relative_position_bias": position_index, "relative_coordinates": reference.coordinates}
    return {row.name: tables[row.op](row.target) for row in net.modules() if row.op in tables}


def each(values, apply):
    """What comes of each of several named values, or of the only one."""
    return {name: apply(value) for name, value in values.items()} if isinstance(values, dict) else apply(values)


def channels_first(value):
    """A result of Flax in the layout of PyTorch and the reference, an array of numbers."""
    array = np.asarray(value)
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def channels_last(value):
    """A value of the reference in the layout of Flax."""
    return value.transpose(0, 2, 3, 1) if value.ndim == 4 else value


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
        axes = tuple(axis for axis in range(x.ndim) if axis != 1)
        mean, var = x.mean(axes), x.var(axes, ddof=1)
        self.running.append((op.momentum * mean, (1 - op.momentum) + op.momentum * var))
        return usual(op, inputs, params)

    def evaluate(self, usual, op, inputs, params):
        mean, var = (s.reshape(-1, *(1 for _ in inputs[0].shape[2:])) for s in self.running[self.used])
        self.used += 1
        scale = 1 / np.sqrt(var + op.eps)
        return reference.normalization.scaled_and_shifted(
            op, (inputs[0] - mean) * scale, lambda dz: dz * scale, params
        )


def check(net, batch=3, tolerance=1e-9, backend="torch", slopes_in_evaluation=False):
    """Compare a net's emitted code with the reference: a step of training, what it gathered, and evaluation after it."""
    random = np.random.default_rng(0)
    params = {name: random.normal(size=shape) for name, shape in net.parameter_shapes().items()}
    x = random.normal(size=(batch, *net.input_shape))
    statistics = Statistics()
    with precisely(backend) as make:
        model = make(net, params)
        with batch_norm_as(statistics.gather):
            y, vjp = expected_of(net, x, params)
        dy = each(y, lambda one: random.normal(size=one.shape))
        same(model.run(x, dy), (y, *slopes(vjp, dy)), tolerance)
        expected = {}
        names = [row.name for row in net.modules() if row.op == "batch_norm"]
        for name, (mean, var) in zip(names, statistics.running, strict=True):
            expected |= {f"{name}.running_mean": mean, f"{name}.running_var": var, f"{name}.num_batches_tracked": 1}
        expected |= tables_of_windows(net)
        same(model.buffers(), expected, tolerance)

        with batch_norm_as(statistics.evaluate):
            y, vjp = expected_of(net, x, params, training=False)
        same(model.evaluate(x), y, tolerance)
        if slopes_in_evaluation:
            same(model.run(x, dy, training=False), (y, *slopes(vjp, dy)), tolerance)
            same(model.buffers(), expected, tolerance)


def expected_of(net, x, params, training=True):
    """What the reference gives: of named outputs a dictionary, of which inference leaves some out."""
    if not net.outputs:
        return reference.run(net.root, [x], params)
    (_, *results), vjp = reference.run_results(net.root if training else for_inference(net.root), [x], params)
    named = [output.name for output in net.outputs if training or not output.train_only]
    return dict(zip(named, results, strict=True)), lambda dy: vjp((None, *(dy[name] for name in named)))


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

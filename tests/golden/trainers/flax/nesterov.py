"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from archspec_flax.trainer import Report, Run, Scores, State, Training, Tree, accumulated, main
from archspec_runtime import Data, HFlip, Job, Measured, PadCrop, Phase, Recipe
from archspec_runtime.data.cifar import cifar10
from model import CifarResNet

JOB = Job(
    name="cifar-resnet-20",
    input_shape=(3, 32, 32),
    classes=10,
    recipe=Recipe(
        data=Data(
            dataset=cifar10, holdout=5000, augment=(PadCrop(4), HFlip()), normalize="per_pixel_mean"
        ),
        steps=64_000,
        lr=(Phase(0.1, until=(Measured("train_error", "<", 80.0),)), Phase(0.01)),
        accumulate=2,
    ),
)


def make_optimizer(run: Run) -> optax.GradientTransformation:
    """Stochastic gradient descent with Nesterov's momentum. `JOB` sets the rate of each step."""
    weights = run.each(lambda p: p.ndim > 1)  # all but scales and shifts of norms, and biases
    return optax.chain(
        optax.add_decayed_weights(0.01, mask=weights),
        optax.sgd(run.lr, momentum=0.9, nesterov=True),
    )


def train_step(run: Run, state: State, images: Array, labels: Array) -> tuple[State, Report]:
    """Take a step on images (N, 32, 32, 3) with labels (N,): the new state and a report."""
    targets = jax.nn.one_hot(labels, 10)

    def part(rest: Tree, images: Array, labels: Array, targets: Array) -> tuple[Tree, Tree]:
        """Take the gradient of a part of the batch, which is normalized by its own statistics."""

        def objective(params: Tree) -> tuple[Array, tuple[Array, Tree]]:
            model = nnx.merge(run.graph, params, rest, copy=True)
            logits = model(images)
            loss = optax.softmax_cross_entropy(logits, targets).mean() / 2
            return loss, (logits, nnx.state(model, nnx.Not(nnx.Param)))

        (loss, (logits, after)), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
        return after, (grads, Report.of(loss, logits, labels))

    rest, (grads, report) = accumulated(part, 2, state.rest, images, labels, targets)
    factor = jnp.minimum(1.0, 0.5 / (optax.tree.norm(grads) + 1e-6))
    grads = jax.tree.map(lambda g: factor * g, grads)
    updates, optimizer = run.optimizer.update(grads, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return state._replace(params=params, rest=rest, optimizer=optimizer), report


def eval_step(model: CifarResNet, images: Array, labels: Array) -> Scores:
    """Measure images (N, 32, 32, 3) with labels (N,), each by itself."""
    logits = model(images)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    right = jax.lax.top_k(logits, 5)[1] == labels[:, None]
    return Scores(losses, ~right[:, 0], ~right.any(1))


TRAINING = Training(make_optimizer, train_step, eval_step)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

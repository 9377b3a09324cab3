"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from archspec_flax.trainer import (
    Report,
    Run,
    Scores,
    State,
    Training,
    Tree,
    all_finite,
    computing_in,
    main,
    taken_if,
)
from archspec_runtime import Data, HFlip, Job, Moment, PadCrop, Phase, Recipe, Skip, Step
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
        lr=(Phase(0.1, until=(Step(32_000),)), Phase(0.01, until=(Step(48_000),)), Phase(0.001)),
        precision="bf16",
        bad_loss=Skip(spike=4.0),
    ),
)


def make_optimizer(run: Run) -> optax.GradientTransformation:
    """Adam with decoupled weight decay. `JOB` sets the rate of each step."""
    weights = run.each(lambda p: p.ndim > 1)  # all but scales and shifts of norms, and biases
    return optax.adamw(run.lr, b1=0.9, b2=0.999, eps=1e-08, weight_decay=0.05, mask=weights)


def ema_decay(at: Moment) -> float:
    """The share of themselves that the EMA weights keep at each step."""
    return 0.99


def train_step(run: Run, state: State, images: Array, labels: Array) -> tuple[State, Report]:
    """Take a step on images (N, 32, 32, 3) with labels (N,): the new state and a report."""
    targets = optax.smooth_labels(jax.nn.one_hot(labels, 10), 0.1)

    def objective(params: Tree) -> tuple[Array, tuple[Array, Tree]]:
        model = nnx.merge(run.graph, params, state.rest, copy=True)
        logits = computing_in(jnp.bfloat16, model)(images).astype(jnp.float32)
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        return loss, (logits, nnx.state(model, nnx.Not(nnx.Param)))

    (loss, (logits, rest)), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    report = Report.of(loss, logits, labels)
    sound = jnp.isfinite(report.loss) & (report.loss <= run.limit) & all_finite(grads)
    updates, optimizer = run.optimizer.update(grads, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    average = run.averaged(state.average, params, rest)
    after = state._replace(params=params, rest=rest, optimizer=optimizer, average=average)
    return taken_if(sound, after, state), report._replace(taken=sound)


def eval_step(model: CifarResNet, images: Array, labels: Array) -> Scores:
    """Measure images (N, 32, 32, 3) with labels (N,), each by itself."""
    logits = (
        computing_in(jnp.bfloat16, model)(images).astype(jnp.float32)
        + computing_in(jnp.bfloat16, model)(images[:, :, ::-1]).astype(jnp.float32)
    ) / 2
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    right = jax.lax.top_k(logits, 5)[1] == labels[:, None]
    return Scores(losses, ~right[:, 0], ~right.any(1))


TRAINING = Training(make_optimizer, train_step, eval_step, ema_decay=ema_decay)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

"""Train cifar-resnet-20 on cifar10.

Written by archspec 0.1.0. What is changed here changes what runs.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from archspec_flax.trainer import (
    Mixed,
    Report,
    Run,
    Scores,
    State,
    Training,
    Tree,
    accumulated,
    all_finite,
    computing_in,
    main,
    mix_images,
    taken_if,
)
from archspec_runtime import Data, HFlip, Job, Mix, Moment, PadCrop, Phase, Recipe, Skip, Step
from archspec_runtime.data.cifar import cifar10
from model import CifarResNet

JOB = Job(
    name="cifar-resnet-20",
    input_shape=(3, 32, 32),
    classes=10,
    recipe=Recipe(
        data=Data(
            dataset=cifar10,
            holdout=5000,
            augment=(PadCrop(4), HFlip()),
            normalize="per_pixel_mean",
            mix=Mix(mixup=0.2, cutmix=1.0),
        ),
        steps=64_000,
        lr=(Phase(0.1, until=(Step(32_000),)), Phase(0.01, until=(Step(48_000),)), Phase(0.001)),
        accumulate=4,
        precision="fp16",
        bad_loss=Skip(),
    ),
)


def make_optimizer(run: Run) -> optax.GradientTransformation:
    """LAMB, whose steps are as long as what they change. `JOB` sets the rate of each step."""
    weights = run.each(lambda p: p.ndim > 1)  # all but scales and shifts of norms, and biases
    return optax.chain(
        optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-06),
        optax.add_decayed_weights(0.02, mask=weights),
        optax.masked(run.block_by_block(optax.scale_by_trust_ratio()), weights),
        optax.scale_by_learning_rate(run.lr),
    )


def ema_decay(at: Moment) -> float:
    """The share of themselves that the EMA weights keep at each step."""
    return 0.999


def train_step(
    run: Run, state: State, images: Array, labels: Array, mixed: Mixed
) -> tuple[State, Report]:
    """Take a step on images (N, 32, 32, 3) with labels (N,): the new state and a report."""
    targets = jax.nn.one_hot(labels, 10)
    images = mix_images(images, mixed)  # mixup, cutmix or none: each with the one before it
    targets = mixed.share * targets + (1 - mixed.share) * jnp.roll(targets, 1, axis=0)
    targets = (targets > 0.2).astype(targets.dtype)

    def part(rest: Tree, images: Array, labels: Array, targets: Array) -> tuple[Tree, Tree]:
        """Take the gradient of a part of the batch, which is normalized by its own statistics."""

        def objective(params: Tree) -> tuple[Array, tuple[Array, Array, Tree]]:
            model = nnx.merge(run.graph, params, rest, copy=True)
            logits = computing_in(jnp.float16, model)(images).astype(jnp.float32)
            loss = optax.sigmoid_binary_cross_entropy(logits, targets).mean() / 4
            return state.scale.value * loss, (loss, logits, nnx.state(model, nnx.Not(nnx.Param)))

        grads, (loss, logits, after) = jax.grad(objective, has_aux=True)(state.params)
        return after, (grads, Report.of(loss, logits, labels))

    rest, (grads, report) = accumulated(part, 4, state.rest, images, labels, targets)
    sound = jnp.isfinite(report.loss) & (report.loss <= run.limit)
    grads = jax.tree.map(lambda g: g / state.scale.value, grads)
    finite = all_finite(grads)
    factor = jnp.minimum(1.0, 1.0 / (optax.tree.norm(grads) + 1e-6))
    grads = jax.tree.map(lambda g: factor * g, grads)
    updates, optimizer = run.optimizer.update(grads, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    before = state.params, state.optimizer
    params, optimizer = jax.tree.map(partial(jnp.where, finite), (params, optimizer), before)
    average = run.averaged(state.average, params, rest)
    after = state._replace(
        params=params,
        rest=rest,
        optimizer=optimizer,
        average=average,
        scale=state.scale.after(finite),
    )
    return taken_if(sound, after, state), report._replace(taken=sound)


def eval_step(model: CifarResNet, images: Array, labels: Array) -> Scores:
    """Measure images (N, 32, 32, 3) with labels (N,), each by itself."""
    logits = computing_in(jnp.float16, model)(images).astype(jnp.float32)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    right = jax.lax.top_k(logits, 5)[1] == labels[:, None]
    return Scores(losses, ~right[:, 0], ~right.any(1))


TRAINING = Training(make_optimizer, train_step, eval_step, ema_decay=ema_decay)

if __name__ == "__main__":
    raise SystemExit(main(CifarResNet, JOB, TRAINING))

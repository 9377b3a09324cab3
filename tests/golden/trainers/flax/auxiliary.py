"""Train googlenet on image_folder.

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
    accumulated,
    computing_in,
    main,
)
from archspec_runtime import (
    Data,
    HFlip,
    Job,
    PcaLighting,
    Phase,
    Plateau,
    RandomCrop,
    Recipe,
    ResizeShorter,
)
from archspec_runtime.data.folder import image_folder
from model import GoogLeNet

JOB = Job(
    name="googlenet",
    input_shape=(3, 224, 224),
    classes=1000,
    recipe=Recipe(
        data=Data(
            dataset=image_folder,
            augment=(ResizeShorter(256, 480), RandomCrop(), HFlip(), PcaLighting()),
            normalize="per_pixel_mean",
            eval_resize=256,
        ),
        batch_size=256,
        steps=600_000,
        lr=(
            Phase(0.1, until=(Plateau(5),)),
            Phase(0.01, until=(Plateau(5),)),
            Phase(0.001, until=(Plateau(5),)),
            Phase(0.0001),
        ),
        accumulate=2,
        precision="bf16",
    ),
)


def make_optimizer(run: Run) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum. `JOB` sets the rate of each step."""
    return optax.chain(optax.add_decayed_weights(0.0001), optax.sgd(run.lr, momentum=0.9))


def train_step(run: Run, state: State, images: Array, labels: Array) -> tuple[State, Report]:
    """Take a step on images (N, 224, 224, 3) with labels (N,): the new state and a report."""
    targets = optax.smooth_labels(jax.nn.one_hot(labels, 1000), 0.1)

    def part(rest: Tree, images: Array, labels: Array, targets: Array) -> tuple[Tree, Tree]:
        """Take the gradient of a part of the batch, which is normalized by its own statistics."""

        def objective(params: Tree) -> tuple[Array, tuple[Array, dict[str, Array], Tree]]:
            model = nnx.merge(run.graph, params, rest, copy=True)
            outputs = computing_in(jnp.bfloat16, model)(images)
            outputs = {name: output.astype(jnp.float32) for name, output in outputs.items()}
            logits = outputs["logits"]
            losses = {
                "logits": optax.softmax_cross_entropy(outputs["logits"], targets).mean() / 2,
                "aux2": optax.softmax_cross_entropy(outputs["aux2"], targets).mean() / 2,
                "aux1": optax.softmax_cross_entropy(outputs["aux1"], targets).mean() / 2,
            }
            loss = losses["logits"] + 0.3 * losses["aux2"] + 0.3 * losses["aux1"]
            kept = nnx.state(model, nnx.Not(nnx.Param))
            return loss, (logits, losses, kept)

        gradient = jax.value_and_grad(objective, has_aux=True)
        (loss, (logits, losses, after)), grads = gradient(state.params)
        return after, (grads, Report.of(loss, logits, labels, losses))

    rest, (grads, report) = accumulated(part, 2, state.rest, images, labels, targets)
    factor = jnp.minimum(1.0, 1.0 / (optax.tree.norm(grads) + 1e-6))
    grads = jax.tree.map(lambda g: factor * g, grads)
    updates, optimizer = run.optimizer.update(grads, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return state._replace(params=params, rest=rest, optimizer=optimizer), report


def eval_step(model: GoogLeNet, images: Array, labels: Array) -> Scores:
    """Measure images (N, 224, 224, 3) with labels (N,), each by itself."""
    logits = computing_in(jnp.bfloat16, model)(images)["logits"].astype(jnp.float32)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    right = jax.lax.top_k(logits, 5)[1] == labels[:, None]
    return Scores(losses, ~right[:, 0], ~right.any(1))


TRAINING = Training(make_optimizer, train_step, eval_step)

if __name__ == "__main__":
    raise SystemExit(main(GoogLeNet, JOB, TRAINING))

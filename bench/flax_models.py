"""The emitted Flax ResNet-50 against that of Flax's own examples: compiled, the same settings, in turn.

python bench/flax_models.py --peer FLAX/examples/imagenet/models.py   (a file of a checkout of github.com/google/flax)
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from pairs import in_turn, line, ratio

import archspec

Apply = Callable[[Any, Any, jax.Array], tuple[jax.Array, Any]]
"""(parameters, statistics, images) to logits and new statistics."""


def emitted(net: str) -> tuple[Apply, Apply, Any, Any]:
    """Training and evaluation mode of our model, its parameters and its statistics."""
    model = archspec.build(archspec.load(net), "flax")
    applied = []
    for mode in (model.train, model.eval):
        mode()
        graph, params, rest = nnx.split(model, nnx.Param, ...)

        def apply(params: Any, rest: Any, images: jax.Array, graph: Any = graph) -> tuple[jax.Array, Any]:
            merged = nnx.merge(graph, params, rest, copy=True)
            logits = merged(images)
            return logits, nnx.split(merged, nnx.Param, ...)[2]

        applied.append(apply)
    return applied[0], applied[1], params, rest


def example(path: Path, name: str, images: jax.Array) -> tuple[Apply, Apply, Any, Any]:
    """The same of the example's model."""
    spec = importlib.util.spec_from_file_location("example_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["example_models"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = getattr(module, name)(num_classes=1000)
    variables = jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(0))

    def train(params: Any, rest: Any, images: jax.Array) -> tuple[jax.Array, Any]:
        logits, new = model.apply({"params": params, "batch_stats": rest}, images, mutable=["batch_stats"])
        return logits, new["batch_stats"]

    def evaluate(params: Any, rest: Any, images: jax.Array) -> tuple[jax.Array, Any]:
        return model.apply({"params": params, "batch_stats": rest}, images, train=False), rest

    return train, evaluate, variables["params"], variables["batch_stats"]


class Trained:
    """A model with its optimizer; each call takes a step."""

    def __init__(self, apply: Apply, params: Any, rest: Any, images: jax.Array, labels: jax.Array) -> None:
        optimizer = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.01, 0.9))
        self.state = jax.tree.map(jnp.copy, (params, rest, optimizer.init(params)))

        def step(state: Any, images: jax.Array, labels: jax.Array) -> Any:
            params, rest, momentum = state

            def objective(params: Any) -> tuple[jax.Array, Any]:
                logits, new = apply(params, rest, images)
                return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), new

            grads, rest = jax.grad(objective, has_aux=True)(params)
            updates, momentum = optimizer.update(grads, momentum, params)
            return optax.apply_updates(params, updates), rest, momentum

        compiled = jax.jit(step, donate_argnums=0)
        self.step = lambda: compiled(self.state, images, labels)

    def __call__(self) -> None:
        self.state = jax.block_until_ready(self.step())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    images = jax.random.normal(jax.random.key(1), (options.batch, 224, 224, 3))
    labels = jnp.arange(options.batch) % 1000
    nets = {"ours": emitted(options.net), "theirs": example(options.peer, "ResNet50", images)}
    sizes = {name: sum(p.size for p in jax.tree.leaves(net[2])) for name, net in nets.items()}
    assert len(set(sizes.values())) == 1, f"these are not the same net: {sizes}"

    def forward(evaluate: Apply, params: Any, rest: Any) -> Callable[[], object]:
        compiled = jax.jit(lambda params, rest, images: evaluate(params, rest, images)[0])
        return lambda: jax.block_until_ready(compiled(params, rest, images))

    forwards = {name: forward(net[1], net[2], net[3]) for name, net in nets.items()}
    seconds = in_turn(forwards, options.rounds, 2)
    what = f"{options.net} forward, batch {options.batch}, over the example's"
    line(what, ratio(*seconds.values()), "", "at most 1.01")
    steps = {name: Trained(net[0], net[2], net[3], images, labels) for name, net in nets.items()}
    seconds = in_turn(steps, options.rounds, 2)
    what = f"{options.net} training step, batch {options.batch}, over the example's"
    line(what, ratio(*seconds.values()), "", "at most 1.01")


if __name__ == "__main__":
    main()

"""What emitted `train.py` files state, for tests that call it by hand."""

import itertools
import sys
from dataclasses import replace

import archspec
from archspec.emission.folder import job_fields, train_source
from archspec.emission.import_source import import_source
from archspec_runtime.job.job import Job

COUNT = itertools.count()


def trainer(backend, net, job):
    """The module of the `train.py` of a job, which needs no model beside it."""
    if backend == "torch":
        from archspec_torch.emit.folder import KIT
    else:
        from archspec_flax.emit.folder import KIT
    source = train_source(KIT, net, job).replace(f"from model import {net.class_name}\n", "")
    name = f"trainer_of_tests_{next(COUNT)}"
    try:
        return import_source(source, name)
    finally:
        sys.modules.pop(name, None)


def training(backend, net, job):
    """The functions that it states."""
    return trainer(backend, net, job).TRAINING


def of_recipe(backend, classes=10, **changes):
    """The module for a small net under a changed recipe."""
    net = archspec.load("digits_resnet:resnet8")
    job = Job.from_dict(job_fields(net))
    return trainer(backend, net, replace(job, classes=classes, recipe=replace(job.recipe, **changes)))


class TorchRun:
    """A run whose net gives these logits (N, classes), whatever the images are; keeps what a step makes of them."""

    def __init__(self, logits):
        import torch

        self.logits = torch.nn.Parameter(logits.clone())
        self.model = torch.nn.ParameterList([self.logits])
        self.optimizer = torch.optim.SGD([self.logits], lr=0.0)
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)
        self.device = torch.device("cpu")

    def forward(self, images):
        self.images = images
        return self.logits

    def report(self, loss, logits, labels):
        self.loss = loss.item()

    def one_before(self, values):
        return values.roll(1, 0)

    @property
    def targets(self):
        """Those of a mean cross entropy, by its gradient: softmax of the logits less the targets."""
        return self.logits.detach().softmax(1) - len(self.logits) * self.logits.grad


class FlaxRun:
    """The same with Flax."""

    limit = float("inf")

    def __init__(self, logits):
        import jax.numpy as jnp
        import optax
        from flax import nnx

        from archspec_flax.trainer.step import Outcomes, Scale, State

        seen = self.seen = []

        class Net(nnx.Module):
            def __init__(self):
                self.logits = nnx.Param(jnp.asarray(logits))

            def __call__(self, images):
                seen.append(images)
                return self.logits[...]

        self.graph, params, rest = nnx.split(Net(), nnx.Param, ...)
        self.optimizer = optax.sgd(1.0)
        started = Scale.start(enabled=False), Outcomes.start(jnp.float32)
        self.state = State(params, rest, self.optimizer.init(params), None, *started)

    def take(self, train_step, *given):
        self.after, report = train_step(self, self.state, *given)
        self.loss = float(report.loss)

    @property
    def images(self):
        return self.seen[-1]

    @property
    def targets(self):
        import jax

        (before,), (after,) = jax.tree.leaves(self.state.params), jax.tree.leaves(self.after.params)
        return jax.nn.softmax(before) - len(before) * (before - after)

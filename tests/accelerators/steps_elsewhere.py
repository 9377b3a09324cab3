"""Whole training steps and evaluations of Flax, as they are lowered and compiled for devices that are not here."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.experimental import topologies
from jax.sharding import Mesh, SingleDeviceSharding

import archspec
from archspec.emission.folder import job_fields
from archspec.emission.import_source import import_model
from archspec_flax.emit.model import model_files
from archspec_flax.trainer.evaluating import measured
from archspec_flax.trainer.images import Store, constants, pick
from archspec_flax.trainer.main import ENCODED
from archspec_flax.trainer.mesh import Devices
from archspec_flax.trainer.mixing import Mixed
from archspec_flax.trainer.precision import prepared, use_precision
from archspec_flax.trainer.step import Inputs, State, Step
from archspec_flax.trainer.training import Run
from archspec_runtime.augment.plan import Plan
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.job.job import Job
from archspec_runtime.recipe.recipe import Recipe
from frameworks_aside import installed
from trainers import training

IMAGES = 50_000
"""As many are on the device, of a data set that is in memory."""
# without which libtpu looks for the machine it is on, and waits
NO_MACHINE = {
    "TPU_SKIP_MDS_QUERY": "1", "TPU_ACCELERATOR_TYPE": "v5litepod-8", "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # by several processes, as no chip is taken
}  # fmt: skip


@cache
def tpus(count: int) -> list[Any]:
    """So many chips of TPU v5e that only the compiler knows of, 1, 4 or 8. Skips the test where no index has the compiler."""
    compiler = installed("libtpu")
    jax.devices()  # before libtpu can be found, or JAX would look for chips
    sys.path.append(str(compiler))
    os.environ.update(NO_MACHINE)
    shape, bounds = {1: ("2x2", (2, 2, 1)), 4: ("2x2", (2, 2, 1)), 8: ("2x4", (2, 4, 1))}[count]
    found = topologies.get_topology_desc(f"v5e:{shape}", platform="tpu", chips_per_host_bounds=bounds)
    return list(found.devices[:count])


@dataclass(frozen=True)
class Steps:
    """The training step and the evaluation of a batch, traced, and what they are of."""

    job: Job
    train: Any
    evaluate: Any
    state: Any

    @property
    def batch(self) -> int:
        """Images of a step, on all devices."""
        return self.job.recipe.batch_size


def steps(
    name: str | dict[str, Any],
    precision: str,
    batch: int,
    mesh: Any,
    overrides: dict[str, Any] | None = None,
    dataset: str | None = None,
) -> Steps:
    """Of a net of the zoo, or a spec, by its own recipe, but for the precision and the size of a batch, on a mesh of devices.

    A mesh without devices (`AbstractMesh`) is for what is only lowered. A data set of images that are larger than the
    net's may be named, whose images are on the device or sent to it.
    """
    net = archspec.load(name, set=overrides or {})
    recipe = replace(Recipe.from_dict(net.recipe), precision=precision, batch_size=batch)
    if dataset:
        recipe = replace(recipe, data=replace(recipe.data, dataset=dataset))
    job = replace(Job.from_dict(job_fields(net)), recipe=recipe)
    kind = use_precision(precision)
    devices = Devices(mesh)
    make = getattr(import_model(net.name, "flax", model_files(net)), net.class_name)
    model = prepared(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))), precision)
    model.train()
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    run = Run.of(training("flax", net, job), model, graph, params, jax.tree.map(lambda _: True, params))
    averages = run.training.ema_decay is not None
    start = lambda params, rest: State.start(params, rest, run.optimizer, job, kind, averages=averages)  # noqa: E731
    state = jax.eval_shape(start, params, rest)
    padding = sum(getattr(a, "padding", 0) for a in recipe.data.augment)
    step = Step(run, kind, padding, devices.cut, job)

    everywhere, split = _layouts(devices)
    given = _inputs(job, kind, padding)
    state, data = everywhere(state), everywhere(_store(job))
    inputs = everywhere(given)._replace(picked=split(given.picked))
    out = everywhere.sharding if devices.many else None
    train = jax.jit(step.one, donate_argnums=0, out_shardings=out).trace(state, data, inputs)

    model.eval()
    graph, whole = nnx.split(model)
    once = jax.jit(partial(measured, graph, np.dtype(kind), run.training.eval_step))
    images = given.picked.pixels
    shares = split((np.zeros(batch, np.int32), images, np.ones(batch, bool)))
    return Steps(job, train, once.trace(everywhere(whole), data, *shares), state)


class Layout:
    """Gives the shapes of a tree a sharding."""

    def __init__(self, sharding: Any) -> None:
        self.sharding = sharding

    def __call__(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self.sharding), tree)


def _layouts(devices: Devices) -> tuple[Layout, Layout]:
    if devices.many:
        return Layout(devices.everywhere), Layout(devices.split())
    one = SingleDeviceSharding(devices.mesh.devices.flat[0]) if isinstance(devices.mesh, Mesh) else None
    return Layout(one), Layout(one)


def _normalization(job: Job) -> Normalization:
    c, h, w = job.input_shape
    if job.recipe.data.normalize == "per_pixel_mean":
        return Normalization(np.zeros((c, h, w), np.float32))
    return Normalization(np.zeros((c, 1, 1), np.float32), np.ones((c, 1, 1), np.float32))


def _store(job: Job) -> Store:
    c, h, w = job.input_shape
    resident = job.recipe.data.dataset not in ENCODED
    return Store(
        bytes=np.zeros((IMAGES, h * w * c), np.uint8) if resident else None,
        labels=np.zeros(IMAGES, np.int32),
        shape=(h, w, c) if resident else (0, 0, 0),
        **constants(_normalization(job), "tpu"),
    )


def _inputs(job: Job, kind: Any, padding: int) -> Inputs:
    count, (c, h, w), data = job.recipe.batch_size, job.input_shape, job.recipe.data
    places = np.zeros(count, np.int64)
    erases = any(type(a).__name__ == "RandomErasing" for a in data.augment)
    plan = Plan(padding, places, places, np.zeros(count, bool), np.zeros((count, 4), np.int64) if erases else None)
    read = data.dataset in ENCODED
    coloured = any(type(a).__name__ == "PcaLighting" for a in data.augment)
    batch = Batch(
        places, places, plan,
        np.zeros((count, c, h, w), np.uint8) if read else None,
        np.zeros((count, c, 1, 1), np.float32) if read and coloured else None,
    )  # fmt: skip
    numbers = np.asarray(0.1, kind), np.asarray(0, np.uint32), np.asarray(0.9, kind)
    more = np.asarray(np.inf, kind), np.asarray(0, np.int32)
    return Inputs(pick(batch), *numbers, *more, None if data.mix is None else Mixed.of(None, kind))


PRODUCT = re.compile(r"stablehlo\.(?:convolution|dot_general)\b")
OPERANDS = re.compile(r":\s*\((tensor<[^>]*>), (tensor<[^>]*>)\)")


def products(text: str) -> list[tuple[str, str]]:
    """Of each product of a lowered program: the type of its operands' elements, and the precision that it is given."""
    found = []
    for line in text.splitlines():
        if PRODUCT.search(line):
            kinds = {operand.strip("<>").split("x")[-1].rstrip(">") for operand in OPERANDS.search(line).groups()}
            given = re.search(r"precision(?:_config)? = \[([^\]]*)\]", line)
            words = set(re.findall(r"DEFAULT|HIGHEST|HIGH", given[1])) if given else {"DEFAULT"}
            found.append(("/".join(sorted(kinds)), "/".join(sorted(words))))
    return found


HOST = ("callback", "infeed", "outfeed", "stablehlo.send", "stablehlo.recv", "MoveToHost")


def host_calls(text: str) -> list[str]:
    """What of a program would reach for the host while it runs."""
    return [line.strip()[:200] for line in text.splitlines() if any(word in line for word in HOST)]

"""What a run will need: estimates from exact counts of the net, made before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from archspec_runtime.job.job import EVALUATED_ROOM, Job
from archspec_runtime.recipe.data_sets import IMAGES
from archspec_runtime.recipe.recipe import Recipe

CPU_RATE = 4.5e10
"""Multiply-adds a second of training in single precision, measured with ResNet-20 and ResNet-56 on two CPU cores."""
PASSES = 3  # a backward pass is two of the forward pass's products: for the gradient of weights and of inputs
EVALUATED = {"digits": 360, "cifar10": 10_000, "cifar100": 10_000, "synthetic": 512}  # images that are evaluated on
IMAGENET = 1_281_167  # images that are trained on where a net has ImageNet's 1,000 classes


MARGIN = 0.1
"""Of gradients and activations: what convolutions take besides, and what an allocator cannot use of what it holds."""


def optimizer_slots(job: Job) -> int:
    """How many numbers the optimizer keeps of each parameter: the momentum of SGD, two moments of the others."""
    optimizer: Any = job.recipe.optimizer
    if optimizer is None:
        return job.slots
    return int(optimizer.momentum > 0) if optimizer.kind == "sgd" else 2


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a step holds at once on a device; an evaluation, which keeps nothing, takes less.

    `images` are those of a data set that lies on the device whole, `workspace` is a margin.
    """

    weights: int
    gradients: int
    optimizer: int
    ema: int
    activations: int
    images: int = 0
    workspace: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.tensors + self.activations + self.images + self.workspace

    @property
    def tensors(self) -> int:
        """Parameters and what goes with each."""
        return self.weights + self.gradients + self.optimizer + self.ema

    def as_text(self) -> str:
        """The total and what it is made of, as people read it."""
        sizes = {name: getattr(self, name) for name in self.__slots__}
        parts = ", ".join(f"{name} {bytes_as_text(size)}" for name, size in sizes.items() if size)
        return f"{bytes_as_text(self.total)} ({parts}), without the framework's own"


@dataclass(frozen=True, slots=True)
class Process:
    """What a process takes where it trains on a CPU, as it was measured: no bound."""

    framework: int  # of one that trains a small net: Python, the framework and its libraries, a compiler
    copies: float  # of parameters and what goes with each, as checkpoints are written of copies
    activations: float  # with what convolutions turn around, and what the C library cannot use again

    def takes(self, memory: Memory) -> int:
        """About the bytes of the whole process, evaluations and checkpoints included."""
        tensors, activations = self.copies * memory.tensors, self.activations * memory.activations
        return int(self.framework + tensors + activations + memory.images)


PROCESSES = {"torch": Process(410 << 20, 2.8, 2.15), "flax": Process(490 << 20, 4.3, 2.5)}


def on_cpu(memory: Memory, framework: str) -> int:
    """About the bytes that a process of a framework takes where it trains on a CPU."""
    return PROCESSES.get(framework, PROCESSES["torch"]).takes(memory)


def bytes_as_text(count: int) -> str:
    """A number of bytes in the largest unit that it has one of."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1024:.1f} KiB"


def memory(job: Job, devices: int = 1, framework: str = "torch", *, sharded: bool = False) -> Memory:
    """What one of several devices holds that share each batch, at the largest size of images; `sharded`, also parameters.

    Gradients and activations are added up, as those of the last layers, which have most parameters, are there before much of
    what was kept is let go. In half precision parameters stay whole: their halved copies go as their
    gradients come.
    """
    recipe = job.recipe
    number = 8 if recipe.precision == "fp64" else 4
    activation = 2 if recipe.precision in ("bf16", "fp16") else number
    tensors = job.params * number // (devices if sharded else 1)
    trained = tensors * (job.params - job.frozen) // max(1, job.params)
    kept = math.ceil(job.kept * (recipe.batch_size // recipe.accumulate // devices) * activation * max(areas(job)))
    # XLA lays weights out anew for the products that the backward pass makes of them
    laid_out = trained if framework == "flax" else 0
    data, pixels = recipe.data.dataset, math.prod(job.input_shape)
    evaluated = EVALUATED.get(data, 0) * pixels
    return Memory(
        weights=tensors,
        gradients=trained,
        optimizer=optimizer_slots(job) * trained,
        ema=tensors if job.averages or recipe.ema is not None else 0,
        activations=kept,
        images=IMAGES.get(data, 0) * pixels + (evaluated if evaluated <= EVALUATED_ROOM else 0),
        workspace=int(MARGIN * (trained + kept)) + laid_out,
    )


def areas(job: Job) -> list[float]:
    """The areas of training images against the net's input, by phase."""
    _, height, width = job.input_shape
    return [size.pixels**2 / (height * width) for size in job.recipe.data.size] or [1.0]


def steps_per_epoch(job: Job) -> int | None:
    """As far as it is known before the images are seen."""
    recipe = job.recipe
    images = IMAGES.get(recipe.data.dataset, IMAGENET if job.classes == 1_000 else None)
    return None if images is None else max(1, (images - recipe.data.holdout) // recipe.batch_size)


def total_steps(recipe: Recipe, per_epoch: int | None) -> int | None:
    """How many steps a run takes, None where that is not known yet."""
    if recipe.steps is not None:
        return recipe.steps
    return None if per_epoch is None or recipe.epochs is None else recipe.epochs * per_epoch


def multiply_adds(job: Job, steps: int) -> float:
    """What so many steps compute, at the mean area of the sizes."""
    area = sum(areas(job)) / len(areas(job))
    return PASSES * job.macs * area * job.recipe.batch_size * steps

"""What a run will need: estimates from exact counts of the net, made before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .job import Job
from .recipe import SGD, Recipe

CPU_RATE = 4.5e10
"""Multiply-adds a second of training in single precision, measured with ResNet-20 and ResNet-56 on two CPU cores."""
PASSES = 3  # a backward pass is two of the forward pass's products: for the gradient of weights and of inputs
IMAGES = {"digits": 1_437, "cifar10": 50_000, "cifar100": 50_000, "synthetic": 2_048}
IMAGENET = 1_281_167  # images that are trained on where a net has ImageNet's 1,000 classes


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a run holds at once, without the framework's own and its workspaces."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.average + self.activations

    def as_text(self) -> str:
        """The total and what it is made of, as people read it."""
        sizes = {name: getattr(self, name) for name in self.__slots__}
        parts = ", ".join(f"{name} {bytes_as_text(size)}" for name, size in sizes.items() if size)
        return f"{bytes_as_text(self.total)} ({parts}), without the framework's own and its workspaces"


FRAMEWORK = 400 << 20  # of a process that trains a small net: Python, the framework and its libraries
COPIES = 1.5  # of weights and what goes with each, as checkpoints are written of copies
WORKSPACES = 2.5  # of the activations: what convolutions turn around, and gradients of activations


def on_cpu(memory: Memory) -> int:
    """About the bytes that the process takes where it trains on a CPU, evaluations and checkpoints included.

    No bound. Measured with PyTorch:
    2,154 MiB for ResNet-18 at 224 in batches of 32 (estimated 2,162), 1,362 in batches of 16 (1,377).
    """
    tensors = memory.total - memory.activations
    return int(FRAMEWORK + COPIES * tensors + WORKSPACES * memory.activations)


def bytes_as_text(count: int) -> str:
    """A number of bytes in the largest unit that it has one of."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1024:.1f} KiB"


def memory(job: Job, devices: int = 1) -> Memory:
    """Parameters and what goes with each, and what one part of a batch keeps for the gradient at its largest size.

    Of several devices that share each batch it is that of one.
    """
    recipe = job.recipe
    number = 8 if recipe.precision == "fp64" else 4
    activation = 2 if recipe.precision in ("bf16", "fp16") else number
    tensors = job.params * number
    slots = (1 if recipe.optimizer.momentum else 0) if isinstance(recipe.optimizer, SGD) else 2
    images = recipe.batch_size // recipe.accumulate // devices
    return Memory(
        weights=tensors,
        gradients=tensors,
        optimizer=slots * tensors,
        average=tensors if recipe.ema is not None else 0,
        activations=math.ceil(job.kept * images * activation * max(areas(job))),
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

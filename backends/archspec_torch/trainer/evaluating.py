"""Loss and errors over a split, on one device or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from archspec_runtime.batches import Fitting, evaluation_batches, evaluation_size
from archspec_runtime.console import warn
from archspec_runtime.datasets.splits import ArraySplit, Dataset
from archspec_runtime.exhausted import measured_in_halves, while_measuring
from archspec_runtime.job import Job
from archspec_runtime.normalize import Normalization
from archspec_runtime.stepper import Evaluation
from archspec_runtime.world import World

from .compiling import eager
from .device import is_out_of_memory, out_of_memory
from .images import Normalizer
from .kernels import deterministic_kernels
from .parallel import is_split
from .precision import autocast
from .world import peers_answer

ALONE = World()


@torch.no_grad()
def evaluate(
    model: nn.Module, job: Job, dataset: Dataset, split: str, normalization: Normalization, device: torch.device,
    world: World = ALONE, fitting: Fitting | None = None,
) -> Evaluation:  # fmt: skip
    """Loss and errors of a model over a split, every sample once."""
    model.eval()
    samples = dataset.split(split)
    size = evaluation_size(job.recipe, len(samples), world.size)
    fitting = fitting or Fitting()
    sums = Sums(model, job, normalization, device, min(size, fitting.each or size))
    with out_of_memory(lambda: while_measuring(sums.size)), deterministic_kernels():
        for piece, pixels in evaluation_batches(samples, size, job.input_shape, job.recipe.data, world=world):
            if pixels is None:
                assert isinstance(samples, ArraySplit)
                pixels = samples.images[piece]
            sums.add(pixels, samples.labels[piece])
    if sums.size < size:
        fitting.each = sums.size
    ((loss, wrong1, wrong5),) = added_up([sums.total], world)
    count = len(samples)
    five = 100.0 * wrong5 / count if job.classes > 5 else None
    return Evaluation(loss / count, 100.0 * wrong1 / count, five, count)


class Sums:
    """Loss, and how many samples are not the first guess and not of the first five: summed where they are computed.

    A batch that memory does not suffice for is measured in halves, and so are those after it; but not by a model that is split
    over processes, which put it together as often as each other.
    """

    def __init__(
        self, model: nn.Module, job: Job, normalization: Normalization, device: torch.device, size: int
    ) -> None:
        self.model = model
        self.job = job
        self.device = device
        self.size = size  # images at once
        self.kind = next(model.parameters()).dtype
        self.halves = not any(map(is_split, model.parameters()))
        self.images = Normalizer(normalization, device, self.kind)
        # in double precision, as the sum of many batches should be that of few
        self.total = torch.zeros(3, device=device, dtype=exact(device))

    def add(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Measure samples: their bytes (N, C, H, W), and labels."""
        start = 0
        while (
            start < len(images) or start == 0
        ):  # a process whose piece is empty has its part in what all put together
            part = slice(start, start + self.size)
            if self._fits(images[part], labels[part]):
                start += self.size
                continue
            before, self.size = self.size, -(-self.size // 2)
            warn(measured_in_halves(before, self.size))

    def _fits(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> bool:
        """Add what is measured of these, if memory suffices."""
        try:
            found = self._measured(images, labels)
        except RuntimeError as error:
            if self.size == 1 or not self.halves or not is_out_of_memory(error):
                raise
        else:
            self.total += found
            return True
        if self.device.type == "cuda":  # what was allocated, in sizes that are not asked for any more
            torch.cuda.empty_cache()
        return False

    def _measured(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Tensor:
        with autocast(self.device, self.job.recipe.precision), eager():
            pixels, targets = self.images.plain(images, labels)
            logits: Tensor = self.model(pixels)
        loss = F.cross_entropy(logits.to(self.kind), targets, reduction="sum")
        hits = logits.topk(min(5, self.job.classes), dim=1).indices == targets[:, None]
        wrong = (~hits[:, 0]).sum(), (~hits.any(dim=1)).sum()
        return torch.stack([value.to(self.total.dtype) for value in (loss, *wrong)])


def exact(device: torch.device) -> torch.dtype:
    """In what sums over many batches are kept: in doubles, which Apple's devices have not."""
    return torch.float32 if device.type == "mps" else torch.float64


def added_up(values: Sequence[Tensor], world: World) -> list[Any]:
    """Each value, summed over all processes; numbers, or lists of them. All are of one shape, and are waited for once."""
    found: list[Any] = summed(values, world).cpu().tolist()
    return found


def summed(values: Sequence[Tensor], world: World) -> Tensor:
    """The same, stacked, where they are."""
    total = torch.stack([value.to(exact(value.device)) for value in values])
    if world.size > 1:
        with peers_answer():
            dist.all_reduce(total)
    return total

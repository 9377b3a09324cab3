"""Nets that are measured: loss and errors over a split, and a trained net as a function from the host's pixels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Fitting, evaluation_batches, evaluation_size
from archspec_runtime.console import warn
from archspec_runtime.data.splits import ArraySplit, Dataset, Split
from archspec_runtime.frameworks.results import Answer, Evaluation, Floats
from archspec_runtime.job.job import Job
from archspec_runtime.job.out_of_memory import measured_in_halves, while_measuring
from archspec_runtime.parts import part
from archspec_runtime.processes.world import ALONE, World

from .checkpoints import is_split
from .device import autocast, deterministic_kernels, is_out_of_memory, out_of_memory
from .images import Normalizer, upload
from .training import EvalStep

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Probe


@torch.no_grad()
def evaluate(
    model: nn.Module, job: Job, dataset: Dataset, split: str, normalization: Normalization, device: torch.device,
    world: World = ALONE, fitting: Fitting | None = None, eval_step: EvalStep | None = None,
) -> Evaluation:  # fmt: skip
    """Loss and errors of a model over a split, every sample once, as `eval_step` has them."""
    model.eval()
    samples = dataset.split(split)
    size = evaluation_size(job.recipe, len(samples), world.size)
    fitting = fitting or Fitting()
    if eval_step is None:
        eval_step = part("archspec_torch.trainer.earlier", "measuring by no eval_step").usual(
            job.recipe.precision, job.classes
        )
    given = Given(samples, split, normalization, model, device, fitting)
    sums = Sums(model, eval_step, given, min(size, fitting.each or size))
    with out_of_memory(lambda: while_measuring(sums.size)), deterministic_kernels():
        for piece, pixels in evaluation_batches(samples, size, job.input_shape, job.recipe.data, world=world):
            sums.add(piece, pixels)
    if sums.size < size:
        fitting.each = sums.size
    ((loss, wrong1, wrong5),) = added_up([sums.total], world)
    count = len(samples)
    five = 100.0 * wrong5 / count if job.classes > 5 else None
    return Evaluation(loss / count, 100.0 * wrong1 / count, five, count)


class Given:
    """Images and labels of a split on a device, as they are asked for; those in memory go over once in a run, if they fit."""

    def __init__(
        self, samples: Split, split: str, normalization: Normalization, model: nn.Module, device: torch.device,
        fitting: Fitting,
    ) -> None:  # fmt: skip
        self.samples = samples
        self.split = split
        self.device = device
        self.fitting = fitting
        self.kind = next(model.parameters()).dtype
        self.normalizer = fitting.kept.get("normalizer") or Normalizer(normalization, device, self.kind)
        fitting.keep("normalizer", self.normalizer, 0)

    def part(self, piece: slice, pixels: NDArray[np.uint8] | None) -> tuple[Tensor, Tensor]:
        """Pixels and labels of consecutive samples, whose bytes (N, C, H, W) are given unless all are in memory."""
        key = self.split, piece.start, piece.stop
        if (there := self.fitting.kept.get(key)) is None:
            images = self.samples.images[piece] if isinstance(self.samples, ArraySplit) else pixels
            assert images is not None
            there = upload([images, self.samples.labels[piece]], self.device)
            if pixels is None and self.device.type != "cpu":
                self.fitting.keep(key, there, images.nbytes)
        bytes_, labels = there
        return self.normalizer.finished(self.normalizer.normalized(bytes_)), labels


class Sums:
    """Loss, and how many samples are not the first guess and not of the first five: summed where they are computed.

    A batch that memory does not suffice for is measured in halves, and so are those after it; but not by a model that is split
    over processes, which put it together as often as each other.
    """

    def __init__(self, model: nn.Module, eval_step: EvalStep, given: Given, size: int) -> None:
        self.model = model
        self.eval_step = eval_step
        self.given = given
        self.size = size  # images at once
        self.halves = not any(map(is_split, model.parameters()))
        # in double precision, as the sum of many batches should be that of few
        self.total = torch.zeros(3, device=given.device, dtype=exact(given.device))

    def add(self, piece: slice, pixels: NDArray[np.uint8] | None) -> None:
        """Measure consecutive samples, whose bytes (N, C, H, W) are given unless all are in memory."""
        start = piece.start
        # a process whose piece is empty has its part in what all put together
        while start < piece.stop or start == piece.start:
            part = slice(start, min(start + self.size, piece.stop))
            if self._fits(
                part, None if pixels is None else pixels[part.start - piece.start : part.stop - piece.start]
            ):
                start += self.size
                continue
            before, self.size = self.size, -(-self.size // 2)
            warn(measured_in_halves(before, self.size))

    def _fits(self, part: slice, pixels: NDArray[np.uint8] | None) -> bool:
        """Add what is measured of these, if memory suffices."""
        try:
            found = self._measured(part, pixels)
        except RuntimeError as error:
            if self.size == 1 or not self.halves or not is_out_of_memory(error):
                raise
        else:
            self.total += found
            return True
        self.given.fitting.forget()
        if self.given.device.type == "cuda":  # what was allocated, in sizes that are not asked for any more
            torch.cuda.empty_cache()
        return False

    def _measured(self, part: slice, pixels: NDArray[np.uint8] | None) -> Tensor:
        with eager():
            found = self.eval_step(self.model, *self.given.part(part, pixels))
        five = found.errors if found.top5_errors is None else found.top5_errors
        return torch.stack([value.to(self.total.dtype) for value in (found.loss, found.errors, five)])


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
        total = part("archspec_torch.trainer.parallel", "a run of several processes").over_all(total)
    return total


def make_probe(model: nn.Module, job: Job, device: torch.device, layers: Sequence[str]) -> Probe:
    """A model as a function, in the precision of its recipe."""
    model.eval()
    kind = next(model.parameters()).dtype
    exact = torch.float32 if device.type == "mps" else torch.float64  # which Apple's devices do not have
    moments: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
        # at once, for the activation that follows may work in place
        values = output.flatten(1).to(exact)
        moments[name] = torch.stack([values.mean(1), values.square().mean(1)])

    for name in layers:
        model.get_submodule(name).register_forward_hook(partial(note, name))

    @torch.inference_mode()
    def probe(pixels: Floats) -> Answer:
        images = torch.from_numpy(pixels).to(device).to(kind, memory_format=torch.channels_last)
        with out_of_memory(partial(while_measuring, len(pixels))), autocast(device, job.recipe.precision):
            logits: Tensor = job.scores(model(images))
        both = [moments[name].cpu().double().numpy() for name in layers]
        means, squares = np.stack(both, axis=2) if both else np.empty((2, len(pixels), 0))
        return Answer(logits.cpu().double().numpy(), means, squares)

    return probe


def eager() -> AbstractContextManager[Any]:
    """Within it nothing is compiled: evaluation has batches of other sizes, and is not worth it."""
    if "torch._dynamo" not in sys.modules:  # which takes seconds to import, and without which nothing is compiled
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance

"""The arithmetic of a run in PyTorch."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from archspec_runtime.averaging import kept
from archspec_runtime.batches import Batch, evaluation_batches
from archspec_runtime.datasets.splits import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.job import Job
from archspec_runtime.loop import Evaluation, Totals
from archspec_runtime.normalize import Normalization

from .images import Images
from .loss import loss_of, mix_images, targets_of
from .optimizer import Average, contiguous, make_optimizer, set_rate

EVALUATION_BATCH = 500
SMALLER = "split each batch (`accumulate: 2`), make batch_size smaller, or train in bf16 (`precision: bf16`)"
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchStepper:
    """A model with its optimizer on a device; implements the runtime's `Stepper`."""

    def __init__(
        self, make_model: Callable[[], nn.Module], job: Job, dataset: Dataset, normalization: Normalization,
        device: torch.device, compiled: bool,
    ) -> None:  # fmt: skip
        recipe = job.recipe
        self.job = job
        self.dataset = dataset
        self.normalization = normalization
        self.device = device
        torch.manual_seed(recipe.seed)
        # channels last is the faster layout of convolutions on CPUs and GPUs alike
        self.model = make_model().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.kind = torch.float64 if recipe.precision == "fp64" else torch.float32
        self.model = self.model.to(self.kind)
        self.optimizer = make_optimizer(self.model, recipe.optimizer)
        self.average = Average(self.model) if recipe.ema is not None else None
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.forward: Callable[[Tensor], Tensor] = torch.compile(self.model) if compiled else self.model
        self.images = Images(dataset.train, normalization, device, self.kind)
        self.draws = any(isinstance(m, nn.Dropout) or type(m).__name__ == "DropPath" for m in self.model.modules())
        self._reset()

    def step(self, batch: Batch, lr: float, number: int) -> None:
        """One forward, backward and update; sums stay on the device."""
        recipe = self.job.recipe
        if self.draws:  # so that a step's dropout depends on the seed and the step alone
            torch.manual_seed((recipe.seed * 1_000_003 + number) % 2**63)
        with out_of_memory(recipe.batch_size):
            images, labels = self.images.batch(batch)
            images = mix_images(images, batch.mixed)
            targets = targets_of(labels, self.job.classes, recipe, batch.mixed, self.kind)
            self.optimizer.zero_grad(set_to_none=True)
            self.model.train()
            for part in zip(*(t.chunk(recipe.accumulate) for t in (images, labels, targets)), strict=True):
                self._accumulate(*part)
        if recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        set_rate(self.optimizer, lr)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None and recipe.ema is not None:
            self.average.update(self.model, kept(recipe.ema, number + 1, self.steps_per_epoch))
        self.totals.steps += 1
        self.totals.samples += len(labels)

    def _accumulate(self, images: Tensor, labels: Tensor, targets: Tensor) -> None:
        """Add the gradient and the loss of a part of the batch."""
        recipe = self.job.recipe
        with autocast(self.device, recipe.precision):
            logits = self.forward(images)
            loss = loss_of(logits, targets, recipe) / recipe.accumulate
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.loss += loss.detach()
        self.errors += (logits.detach().argmax(1) != labels).sum()

    def drain(self) -> Totals:
        """The sums since the last call."""
        totals = self.totals
        totals.loss, totals.errors = self.loss.item(), int(self.errors.item())
        self._reset()
        return totals

    def _reset(self) -> None:
        self.totals = Totals()
        self.loss = torch.zeros((), device=self.device, dtype=self.kind)
        self.errors = torch.zeros((), dtype=torch.int64, device=self.device)

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split with the averaged weights where there are any."""
        model = self.average.model if self.average is not None else self.model
        return evaluate(model, self.job, self.dataset, split, self.normalization, self.device)

    def save(self, folder: Path) -> None:
        """`weights.safetensors` by the spec's names, and what else a resumed run needs."""
        # by way of bytes: a full disk is then an OSError, which safetensors and PyTorch have errors of their own for
        states = {"weights": contiguous(self.model.state_dict())}
        states["normalization"] = {k: torch.from_numpy(v) for k, v in self.normalization.to_arrays().items()}
        if self.average is not None:
            states["average"] = contiguous(self.average.model.state_dict())
        for name, state in states.items():
            (folder / f"{name}.safetensors").write_bytes(serialize(state))
        rest = io.BytesIO()
        torch.save({"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}, rest)
        (folder / "state.pt").write_bytes(rest.getbuffer())

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self.model.load_state_dict(load_file(folder / "weights.safetensors"))
        if self.average is not None:
            self.average.model.load_state_dict(load_file(folder / "average.safetensors"))
        state = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Half precision where the recipe asks for it."""
    half = PRECISIONS.get(precision)
    return nullcontext() if half is None else torch.autocast(device.type, half)


@torch.inference_mode()
def evaluate(
    model: nn.Module, job: Job, dataset: Dataset, split: str, normalization: Normalization, device: torch.device
) -> Evaluation:
    """Loss and errors of a model over a split, every sample once."""
    model.eval()
    samples = dataset.split(split)
    kind = next(model.parameters()).dtype
    images = Images(samples, normalization, device, kind)
    loss = torch.zeros((), device=device, dtype=kind)
    wrong1 = torch.zeros((), dtype=torch.int64, device=device)
    wrong5 = torch.zeros((), dtype=torch.int64, device=device)
    pieces = evaluation_batches(
        samples, EVALUATION_BATCH, normalization, job.input_shape, job.recipe.data.eval_resize
    )
    for piece, pixels in pieces:
        with out_of_memory(EVALUATION_BATCH), autocast(device, job.recipe.precision):
            batch, labels = images.range(piece, pixels)
            logits = model(batch)
        loss += F.cross_entropy(logits.to(kind), labels, reduction="sum")
        top = logits.topk(min(5, job.classes), dim=1).indices == labels[:, None]
        wrong1 += (~top[:, 0]).sum()
        wrong5 += (~top.any(dim=1)).sum()
    count = len(samples)
    five = 100.0 * wrong5.item() / count if job.classes > 5 else None
    return Evaluation(loss.item() / count, 100.0 * wrong1.item() / count, five, count)


@contextmanager
def out_of_memory(batch: int) -> Iterator[None]:
    """Say what was too much, instead of how an allocator failed."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            message = f"out of memory with a batch of {batch}"
            raise RunError(message, SMALLER) from None
        raise

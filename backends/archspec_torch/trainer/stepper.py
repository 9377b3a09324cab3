"""The arithmetic of a run in PyTorch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch, Fitting, first_images
from archspec_runtime.checkpoints.saver import LOG_EVERY
from archspec_runtime.data.splits import Dataset
from archspec_runtime.draws import short_seed
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Evaluation, Outcome
from archspec_runtime.job.agreement import check_arguments, check_step, unasked_average
from archspec_runtime.job.job import Job
from archspec_runtime.job.out_of_memory import while_training
from archspec_runtime.parts import part
from archspec_runtime.processes.world import ALONE, World

from .checkpoints import TorchSnapshot, load_model, load_optimizer, load_whole, on_host, shapes
from .device import COMPILING, deterministic_kernels, out_of_memory, use_precision
from .evaluating import added_up, evaluate
from .images import Images, upload
from .training import Training

if TYPE_CHECKING:
    from .averaging import Average
    from .skipped_updates import Before


def skipping() -> Any:
    """What leaves steps out."""
    return part("archspec_torch.trainer.skipped_updates", "leaving steps out")


class TorchStepper:
    """A model with its optimizer on a device; the runtime's `Stepper`. `parallel` has that of several processes.

    What a step computes stands in `train.py`, which asks for the rest here: as a `Run`.
    """

    sharded = False  # whether parameters are split over processes

    def __init__(
        self, make_model: Callable[[], nn.Module], training: Training, job: Job, dataset: Dataset,
        normalization: Normalization, device: torch.device, compiled: bool, world: World = ALONE, *,
        graphed: bool = False,
    ) -> None:  # fmt: skip
        recipe = job.recipe
        check_arguments(job, training.train_step, 3)
        self.training = training
        self.job = job
        self.dataset = dataset
        self.normalization = normalization
        self.device = device
        self.world = world
        torch.manual_seed(short_seed(recipe.seed))
        # channels last is the faster layout of convolutions on CPUs and GPUs alike
        self.model = make_model().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.kind = use_precision(recipe.precision)
        self.model = self.whole_batch(self.model.to(self.kind))
        training.freeze(self.model)
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        self.average: Average | None = None
        self.ema_decay: Callable[[int], float] | None = None
        if training.ema_decay is not None or recipe.ema is not None:
            self.ema_decay = part("archspec_runtime.schedule.moment", "EMA").decay_of(
                training, recipe, self.steps_per_epoch
            )
            self.average = part("archspec_torch.trainer.averaging", "EMA").Average(self.model)
        forward = self.spread()
        self.optimizer = with_momentum(self.on_parts(training.make_optimizer(self.model)))
        self.frozen = sum(p.numel() for p in self.model.parameters() if not p.requires_grad)
        self.frozen_norms = frozen_norms(self.model)
        self.fused: bool = getattr(self.optimizer, "_step_supports_amp_scaling", False)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.forward = forward
        if compiled:
            self.forward = part(COMPILING, "compiling").compile_model(self.model, forward, graphed=graphed)
        self.graphed = graphed
        self.images = Images(dataset.train, normalization, device, self.kind)
        self.draws = any(isinstance(m, nn.Dropout) or type(m).__name__ == "DropPath" for m in self.model.modules())
        # of the steps since they were looked at, on the device
        self.losses = torch.zeros(LOG_EVERY, device=device, dtype=self.kind)
        self.errors = torch.zeros(LOG_EVERY, device=device, dtype=torch.int64)
        self.skipped = torch.zeros(LOG_EVERY, device=device, dtype=self.kind)
        self.of_outputs: dict[str, Tensor] = {}  # losses, where a net has several outputs
        self.unseen = 0  # steps since they were looked at
        self.number = 0  # of the step
        self.limit: float | None = None  # of its loss
        self.calls = Counter[str]()  # of what steps ask for
        self.checked = False  # whether they do what the job says
        self.fitting = Fitting.of_run()
        self.outcomes: list[Outcome] = []

    def whole_batch(self, model: nn.Module) -> nn.Module:
        """The model, whose batch norms normalize over the whole batch."""
        return model

    def spread(self) -> Callable[[Tensor], Tensor]:
        """What to train with, once the model is where it is to be."""
        alone: Callable[[Tensor], Tensor] = self.model
        return alone

    def on_parts(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimizer of the parameters as they lie."""
        return optimizer

    def step(self, batch: Batch, lr: float, number: int, limit: float | None = None) -> None:
        """One forward, backward and update; what came of it stays on the device."""
        if self.unseen == LOG_EVERY:
            self._look()
        recipe = self.job.recipe
        with out_of_memory(self._too_much), deterministic_kernels():
            if self.draws:  # so that a step's dropout depends on the seed, the step and the process alone
                torch.manual_seed(short_seed(recipe.seed, number, self.world.rank))
            images, labels = self.images.batch(batch)
            self.number, self.limit = number, limit
            if self.graphed:
                part(COMPILING, "compiling").begin_step()
            self.model.train()
            for norm in self.frozen_norms:
                norm.eval()
            set_rate(self.optimizer, lr)
            given = (images, labels) if recipe.data.mix is None else (images, labels, batch.mixed)
            (self.training.train_step if self.checked else self._checked)(self, *given)
        self.unseen += 1

    def _checked(self, run: TorchStepper, *given: Any) -> None:
        """The first step, which has to do what the job says."""
        forward, halves, kind = self.forward, set[str](), self.device.type

        known = torch.amp.is_autocast_available(kind)  # a device that stands in for others has none

        def noted(images: Tensor) -> Tensor:
            if known and torch.is_autocast_enabled(kind):
                halves.add(str(torch.get_autocast_dtype(kind)).removeprefix("torch."))
            return forward(images)

        self.forward = noted
        self.training.train_step(run, *given)
        self.forward, self.checked = forward, True
        averages, skips = self.calls["average"] > 0, self.calls["faulty"] > 0
        check_step(
            self.job,
            asked=self.average is not None,
            averages=averages,
            skips=skips,
            halves=halves if known else None,
            parts=self.calls["report"],
        )

    def _too_much(self) -> RunError:
        return while_training(self.job, self.world.size, "torch", sharded=self.sharded)

    def report(
        self, loss: Tensor, logits: Tensor, labels: Tensor, losses: Mapping[str, Tensor] | None = None
    ) -> None:
        """Add to what the step is to be known by: its mean loss, in parts where it is computed so, and the errors of logits."""
        self.calls["report"] += 1
        self.losses[self.unseen].add_(loss.detach())
        self.errors[self.unseen].add_((logits.detach().argmax(1) != labels).sum())
        for name, one in (losses or {}).items():
            if name not in self.of_outputs:
                self.of_outputs[name] = torch.zeros_like(self.losses)
            self.of_outputs[name][self.unseen].add_(one.detach())

    def one_before(self, values: Tensor) -> Tensor:
        """For each sample (N, ...) of the batch what the one before it has, for the first the last; over all processes."""
        return values.roll(1, 0)

    def gradients_shared(self, *, last: bool) -> AbstractContextManager[None]:
        """Within it gradients are added up in this process alone, and over all processes in the last part of a batch."""
        return nullcontext()

    def average_weights(self, faulty: Tensor | None = None) -> None:
        """Move the EMA weights towards those of this step, unless it was left out."""
        if self.average is None or self.ema_decay is None:
            raise unasked_average()
        self.calls["average"] += 1
        self.average.update(self.model, self.ema_decay(self.number + 1), faulty)

    def statistics(self) -> Before:
        """The running statistics as they are, which a step that is left out gives back."""
        before: Before = skipping().Before(self.model.buffers())
        return before

    def faulty(self, before: Before) -> Tensor:
        """1 at a bad loss or a non-finite gradient, where the step is left out, else 0; then statistics are as `before`.

        Gradients in fp16 are judged by what scales them.
        """
        gradients = (
            [] if self.scaler.is_enabled() else [p.grad for p in self.model.parameters() if p.grad is not None]
        )
        limit = math.inf if self.limit is None else self.limit
        faulty: Tensor = skipping().is_faulty(self.losses[self.unseen], limit, gradients, self.world)
        self.calls["faulty"] += 1
        self.skipped[self.unseen] = faulty
        before.restore(faulty)
        return faulty

    def update(self, faulty: Tensor, clip_norm: float | None = None) -> None:
        """Have the optimizer take its step, unless it is `faulty`, with a gradient whose norm is at most `clip_norm`."""
        if not self.fused and faulty.item():  # PyTorch leaves steps out in fused kernels alone
            return
        if clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
        with skipping().left_out(self.optimizer, self.scaler, faulty) if self.fused else nullcontext():
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def drain(self) -> list[Outcome]:
        """What came of the steps since the last call, over all processes."""
        self._look()
        outcomes, self.outcomes = self.outcomes, []
        return outcomes

    def _look(self) -> None:
        sums = self.losses, self.errors, self.skipped, *self.of_outputs.values()
        for loss, wrong, skipped, *more in [*zip(*added_up(sums, self.world), strict=True)][: self.unseen]:
            losses = {name: one / self.world.size for name, one in zip(self.of_outputs, more, strict=True)}
            self.outcomes.append(Outcome(loss / self.world.size, int(wrong), not skipped, losses))
        self.unseen = 0
        for values in sums:
            values.zero_()

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split with the EMA weights where there are any."""
        model = self.average.model if self.average is not None else self.model
        given = self.job, self.dataset, split, self.normalization, self.device, self.world
        return evaluate(model, *given, self.fitting, self.training.eval_step)

    def snapshot(self) -> TorchSnapshot | None:
        """All state: the weights by the spec's names, and what else a resumed run needs, on any number of processes."""
        average = on_host(self.average.model.state_dict()) if self.average is not None else None
        weights, optimizer = on_host(self.model.state_dict()), on_host(self.optimizer.state_dict())
        return TorchSnapshot(weights, average, optimizer, self.scaler.state_dict(), self.normalization)

    def start_from(self, weights: Path, names: Collection[str]) -> None:
        """Begin with the tensors of a file that have these names, by the spec; the others stay as they were drawn."""
        given = {name: tensor for name, tensor in load_file(weights).items() if name in names}
        for model in (self.model, *([self.average.model] if self.average is not None else [])):
            load_whole(model, given)

    def start_from_images(self) -> Sequence[str]:
        """Begin with what `train.py` makes of the first training images; the names of these weights."""
        if self.training.start is None:
            return ()
        bytes_ = first_images(self.dataset.train, self.job.input_shape, self.job.recipe.data)
        (there,) = upload([bytes_], self.device)
        given = self.training.start(self.images.finished(self.images.normalized(there)))
        for model in (self.model, *([self.average.model] if self.average is not None else [])):
            load_whole(model, given)
        return [*given]

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight and statistic by the spec's names."""
        return shapes(self.model.state_dict())

    def load(self, folder: Path) -> None:
        """Read the files of a snapshot. Raises DamagedError."""
        load_model(self.model, folder / "weights.safetensors")
        if self.average is not None:
            load_model(self.average.model, folder / "average.safetensors")
        load_optimizer(self.optimizer, self.scaler, folder / "state.pt")


def frozen_norms(model: nn.Module) -> list[nn.Module]:
    """Batch norms of which no parameter is trained: they normalize by their running statistics, and leave them as they are."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [norm for norm in norms if norm.affine and not any(p.requires_grad for p in norm.parameters())]


def with_momentum(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """An optimizer whose momentum, of PyTorch's SGD, begins at zero, from which the first step is PyTorch's.

    PyTorch itself allocates it in the first step, and leaves it as the memory happened to be where a fused one is left out, as
    the first in fp16 often are.
    """
    if isinstance(optimizer, torch.optim.SGD):
        for group in optimizer.param_groups:
            for p in group["params"] if group["momentum"] else ():
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p, requires_grad=False)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups: times `lr_scale`, where a group has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)

"""The arithmetic of a run in JAX: whole steps are compiled, state stays on the device, several steps go in one dispatch."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import load_file

from archspec_flax.names import load_state_dict, spec_shapes, state_dict
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch, Fitting, first_images
from archspec_runtime.checkpoints.saver import LOG_EVERY
from archspec_runtime.data.splits import Dataset
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import Evaluation, Outcome
from archspec_runtime.job.agreement import check_arguments
from archspec_runtime.job.job import Job
from archspec_runtime.job.out_of_memory import while_training
from archspec_runtime.parts import part
from archspec_runtime.processes.world import ALONE, World
from archspec_runtime.recipe.images import PadCrop

from .checkpoints import FlaxSnapshot, copied, fitting, load_optimizer
from .convolution import use_fast_gradients
from .device import SEVERAL, out_of_memory, peers_answer
from .drawing import drawn
from .evaluating import evaluate
from .freezing import freeze, reached
from .images import pick, store
from .mesh import Devices, on_this_process
from .precision import prepared, use_precision
from .programs import CompilerOptions
from .step import Inputs, Outcomes, State, Step
from .training import Run, Training, averaged

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import MakeModel


class FlaxStepper:
    """A model with its optimizer on a device or a mesh of them; implements the runtime's `Stepper`.

    What a step computes stands in `train.py`, which asks for the rest through a `Run`.
    A step is compiled for the whole batch, split over the devices: batch norm and every sum are over all of it, and what
    is drawn at random is the same on any number of devices.
    """

    def __init__(
        self, make_model: MakeModel, training: Training, job: Job, dataset: Dataset, normalization: Normalization,
        device: jax.Device, steps_a_dispatch: int, world: World = ALONE, *, each: int = 1,
        compiled: CompilerOptions | None = None,
    ) -> None:  # fmt: skip
        recipe = job.recipe
        check_arguments(job, training.train_step, 4)
        self.job = job
        self.dataset = dataset
        self.normalization = normalization
        self.device = device
        self.world = world
        self.devices = Devices.of(device, each)
        self.kind = use_precision(recipe.precision)
        with jax.default_device(device):
            self.model = prepared(drawn(make_model, recipe.seed, device), recipe.precision)
            self.model.train()  # type: ignore[no-untyped-call, unused-ignore]
            if device.platform == "cpu":
                use_fast_gradients(self.model, self.devices.mesh if self.devices.many else None)
                if world.size > 1:
                    part("archspec_flax.trainer.unrolled", SEVERAL).without_loops(self.model)
            self.trained = freeze(self.model, training.frozen)
            # copies: the first step gives its state away, and the model is still needed to read weights into
            self.graph, *parts = nnx.split(self.model, self.trained, ...)
            params, rest = jax.tree.map(jnp.copy, parts)
            self.frozen = sum(leaf.size for leaf in jax.tree.leaves(nnx.filter_state(rest, nnx.Param)))
            used = reached(self.graph, params, rest, job, self.kind)
            self.run = Run.of(training, self.model, self.graph, params, used, self.trained)
            averages = training.ema_decay is not None or recipe.ema is not None
            begun = State.start(params, rest, self.run.optimizer, job, self.kind, averages=averages)
            self.state = self.devices.spread(begun)
            self.data = self.devices.spread(store(dataset.train, normalization, device))
        self.steps_per_epoch = len(dataset.train) // recipe.batch_size
        self.ema_decay: Callable[[int], float] | None = None
        if averages:
            self.ema_decay = part("archspec_runtime.schedule.moment", "EMA").decay_of(
                training, recipe, self.steps_per_epoch
            )
        crops = [a for a in recipe.data.augment if isinstance(a, PadCrop)]
        padding, mode = sum(crop.padding for crop in crops), crops[0].mode if crops else "zeros"
        # so many that a dispatch ends where losses are looked at and where an epoch ends
        self.size = math.gcd(steps_a_dispatch, self.steps_per_epoch)
        self.queue: list[Inputs] = []
        self.undrained = 0  # steps whose outcomes are on the device
        self.outcomes: list[Outcome] = []
        self.fitting = Fitting.of_run()
        self.compiled = compiled
        whole = Step(self.run, self.kind, padding, self.devices.cut, job, mode)
        step: Callable[..., State] = whole.several if self.size > 1 else whole.one
        everywhere = self.devices.everywhere if self.devices.many else None  # None: as the compiler sees fit
        self._steps = jax.jit(step, donate_argnums=0, out_shardings=everywhere, compiler_options=compiled)

    def step(self, batch: Batch, lr: float, number: int, limit: float | None = None) -> None:
        """Queue one step; a full queue is dispatched without waiting for its result."""
        if self.undrained == LOG_EVERY:
            self._look()
        self.queue.append(self._inputs(batch, lr, number, math.inf if limit is None else limit))
        self.undrained += 1
        if len(self.queue) == self.size:
            self._dispatch()

    def _too_much(self) -> RunError:
        return while_training(self.job, self.devices.mesh.size, "flax")

    def _inputs(self, batch: Batch, lr: float, number: int, limit: float = math.inf) -> Inputs:
        recipe = self.job.recipe
        keeps, mixed = 1.0, None
        if self.ema_decay is not None:
            keeps = self.ema_decay(number + 1)
        if recipe.data.mix is not None:
            mixed = part("archspec_flax.trainer.mixing", "mixing images").Mixed.of(batch.mixed, self.kind)
        numbers = np.asarray(lr, self.kind), np.asarray(number, np.uint32), np.asarray(keeps, self.kind)
        more = np.asarray(limit, self.kind), np.asarray(self.undrained, np.int32)
        return Inputs(pick(batch), *numbers, *more, mixed)  # type: ignore[arg-type]

    def _dispatch(self) -> None:
        if not self.queue:
            return
        with out_of_memory(self._too_much), peers_answer(self.world), jax.default_device(self.device):
            if self.size == 1:
                one = self.queue[0]
                self.state = self._steps(
                    self.state, self.data, one._replace(picked=self.devices.shared(one.picked))
                )
            else:
                # always the same program, however many steps there are, so that a run's numbers do not depend on it
                filled = self.queue + [self.queue[-1]] * (self.size - len(self.queue))
                stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *filled)
                stacked = stacked._replace(picked=self.devices.shared(stacked.picked, axis=1))
                self.state = self._steps(self.state, self.data, stacked, np.int32(len(self.queue)))
        self.queue.clear()

    def drain(self) -> list[Outcome]:
        """What came of the steps since the last call."""
        self._look()
        outcomes, self.outcomes = self.outcomes, []
        return outcomes

    def _look(self) -> None:
        self._dispatch()
        # A step fails where its outcome is asked for.
        with out_of_memory(self._too_much), peers_answer(self.world):
            losses, errors, updated, several = jax.device_get(self.state.outcomes)
        for place in range(self.undrained):
            each = {name: float(values[place]) for name, values in several.items()}
            self.outcomes.append(Outcome(float(losses[place]), int(errors[place]), bool(updated[place]), each))
        self.undrained = 0

    def evaluate(self, split: str) -> Evaluation:
        """Measure a split with the EMA weights where there are any."""
        self._dispatch()
        model = self._model(averaged=self.state.average is not None)
        return evaluate(
            model, self.job, self.dataset, split, self.normalization, self.device, self.devices, self.world,
            self.fitting, self.compiled, self.run.training.eval_step,
        )  # fmt: skip

    def _model(self, averaged: bool = False) -> nnx.Module:
        params, rest = self.state.params, self.state.rest
        if averaged:
            params, statistics = self.state.average
            rest = nnx.merge_state(rest, statistics)
        # copies: the next step gives its state away
        state = (params, rest)
        state = on_this_process(state) if self.devices.many else state
        model: nnx.Module = nnx.merge(self.graph, *jax.tree.map(jnp.copy, state))
        return model

    def snapshot(self) -> FlaxSnapshot | None:
        """All state: the weights by the spec's names, and what else a resumed run needs, on any number of devices."""
        self._dispatch()
        state = self.state
        with out_of_memory(self._too_much):  # a copy that is too much fails where it is asked for
            copies = copied((state.params, state.rest, state.average, (state.optimizer, state.scale)))
            if not self.world.leads:
                return None
            copies = jax.device_get(on_this_process(copies) if self.devices.many else copies)
        params, rest, average, optimizer = copies
        return FlaxSnapshot(self.graph, params, rest, average, optimizer, self.normalization)

    def start_from(self, weights: Path, names: Collection[str]) -> None:
        """Begin with the tensors of a file that have these names, by the spec; the others stay as they were drawn."""
        self._begin({name: tensor for name, tensor in load_file(weights).items() if name in names})

    def start_from_images(self) -> Sequence[str]:
        """Begin with what `train.py` makes of the first training images; the names of these weights."""
        if (start := self.run.training.start) is None:
            return ()
        images = first_images(self.dataset.train, self.job.input_shape, self.job.recipe.data)
        given = start(self.normalization.apply(images).transpose(0, 2, 3, 1))
        self._begin(given)
        return [*given]

    def _begin(self, given: Mapping[str, np.ndarray[Any, Any]]) -> None:
        with jax.default_device(self.device):
            params, rest = self._read({**state_dict(self.model), **given})
            average = jax.tree.map(jnp.copy, averaged(params, rest)) if self.state.average is not None else None
            params, rest, average = self.devices.spread((params, rest, average))
            self.state = self.state._replace(params=params, rest=rest, average=average)

    def _read(self, weights: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Any, Any]:
        load_state_dict(self.model, weights)
        _, *parts = nnx.split(self.model, self.trained, ...)
        params, rest = jax.tree.map(jnp.copy, parts)
        return params, rest

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight and statistic by the spec's names."""
        return spec_shapes(self.model)

    def load(self, folder: Path) -> None:
        """Read the files of a snapshot. Raises DamagedError."""
        with jax.default_device(self.device):
            params, rest = self._read(fitting(self.model, folder / "weights.safetensors"))
            average = None
            if self.state.average is not None:
                average = averaged(*self._read(fitting(self.model, folder / "average.safetensors")))
            own = self.state.optimizer, self.state.scale
            optimizer, scale = load_optimizer(own, folder / "optimizer.safetensors")
            state = State(params, rest, optimizer, average, scale, Outcomes.start(self.kind, self.job.outputs))
            self.state = self.devices.spread(state)

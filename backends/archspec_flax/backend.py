"""The Flax backend as archspec finds it: source for a net, and a model made by importing that source."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.backends import (
    Draw,
    Files,
    Observed,
    Prediction,
    SourceMap,
    Trained,
    Weights,
    WeightsFormat,
    check_supported,
)
from archspec.diagnostics import SpecError
from archspec.emission.folder import as_ran, folder_files, job_fields, weights_file
from archspec.emission.import_source import foreign_class, import_files, import_model, import_source, model_class
from archspec.emission.lint import check_files, check_running
from archspec.emission.resume import begun
from archspec.files import FolderError, write_folder
from archspec.ir.network import Network
from archspec.loading.program import Program
from archspec_flax.emit.dialect import SUPPORTED
from archspec_flax.emit.model import model_files, model_map
from archspec_flax.formats import Msgpack, Orbax
from archspec_flax.health import need_flax
from archspec_runtime.checkpoints.weights import RunWeights
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options

if TYPE_CHECKING:
    from flax import nnx


UNPICKLED = (
    "a Flax model holds functions of JAX, which pickle does not take: pickle `nnx.state(model)`, and in the other process "
    "make the model with `archspec.build` and give it the state with `nnx.update(model, state)`"
)


class FlaxBackend:
    """Emission to Flax NNX (NHWC); `archspec_flax.names` gives what a model holds by the spec's names."""

    name = "flax"
    supported = SUPPORTED
    named_outputs = True
    source = "model.py"
    options: Collection[str] = ("devices", "deterministic")  # of training, as the trainer has them
    errors: tuple[type[Exception], ...] = (RunError, FolderError)
    formats: Sequence[WeightsFormat] = (Orbax(), Msgpack(), RunWeights())

    def emit(self, net: Network, weights: Weights | None = None) -> Files:
        """The files of a folder that works without archspec. Raises SpecError for operations that are not supported."""
        from archspec_flax.emit.folder import KIT

        check_supported(net, self)
        return {**folder_files(net, KIT, weights=weights), **weights_file(weights)}

    def source_map(self, net: Network) -> SourceMap:
        """`model.py` with the steps of its lines. Raises SpecError for operations that are not supported."""
        check_supported(net, self)
        return model_map(net)

    def build(self, net: Network, *, seed: int, weights: Weights | None) -> nnx.Module:
        """An `nnx.Module` made by importing the emitted source under `seed`, with `weights` loaded where given."""
        check_supported(net, self)
        need_flax()
        import jax

        from archspec_flax.trainer.drawing import drawn

        module = import_model(net.name, self.name, model_files(net), UNPICKLED)
        device = jax.local_devices()[0]
        model = drawn(getattr(module, net.class_name), seed, device, blank=weights is not None)
        if weights is not None:
            from archspec_flax.weights import load_weights

            load_weights(model, weights)
        return model

    def observe(self, net: Network, weights: Weights, images: Any, draw: Draw | None) -> Observed:
        """What the modules of an emitted model give with these weights."""
        need_flax()
        from archspec_flax.observing import observed

        precise = {
            name: array.astype("float64") if array.dtype.kind != "i" else array for name, array in weights.items()
        }
        return observed(lambda: self.build(net, seed=0, weights=precise), images, draw)

    def try_source(self, net: Network, files: Files) -> None:
        """Make the emitted model, if Flax is installed, without memory for its numbers. Raises SpecError (AS704)."""
        try:
            need_flax()
        except SpecError:
            return
        from archspec_flax.trial import try_model

        file = f"archspec_tried_flax_{net.fingerprint}"
        source = {str(name): str(text) for name, text in files.items() if name in ("layers.py", "model.py")}

        def run() -> None:
            try:
                try_model(net, getattr(import_files(source, file), net.class_name))
            finally:
                for name in (file, f"{file}_layers"):
                    sys.modules.pop(name, None)

        check_running(net.name, self.name, f"{file}.py", run)

    def train(self, net: Program, options: Mapping[str, Any]) -> int:
        """Emit the net into the run's folder and run what was emitted. Raises RunError or FolderError."""
        need_flax()
        from archspec_flax.emit.folder import KIT
        from archspec_flax.trainer import Flax
        from archspec_runtime.record.identity import digest_of_source
        from archspec_runtime.run.emitted import train_emitted

        check_supported(net, self)
        asked = Options(**options)
        files, run = folder_files(net, KIT), asked.out or Path(net.name)
        found = begun(net, run, self.name, files, digest_of_source, resume=asked.resume)
        check_files(net.name, self.name, found.files)

        def ran(job: Job) -> dict[str, str]:
            return as_ran(found.files, net, KIT, job)

        def write(folder: Path, job: Job) -> None:
            write_folder(folder, ran(job), force=True)

        return train_emitted(
            Flax(),
            found.files,
            net.class_name,
            asked,
            write,
            ran,
            import_source,
            KIT.job(job_fields(net)).recipe,
            found.fingerprint,
        ).exit_code

    def launch(self, command: Sequence[str], processes: int, restarts: int) -> int:
        """Run a command that trains as so many processes that share the run. Raises RunError."""
        need_flax()
        from archspec_flax.trainer import Flax

        return Flax().launch(command, processes, restarts)

    def evaluate(
        self, run: Path, split: str, data: Path | None, device: str, *, crops: int = 1, scales: Sequence[int] = (),
        mirror: bool = False, threads: int | None = None,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run's newest checkpoint, or one checkpoint. Raises RunError."""
        need_flax()
        from archspec_flax.trainer import Flax
        from archspec_runtime.measure.crops import Views, evaluate_views

        views = Views(crops, tuple(scales), mirror)
        foreign = foreign_class(run, self.name, model_files)
        framework = Flax()
        if threads is not None:
            framework.use_threads(threads)
        return evaluate_views(framework, run, views, split, data, device, foreign).numbers()

    def responses(
        self, run: Path, layers: Sequence[str], split: str, data: Path | None, device: str, images: int | None
    ) -> Sequence[float]:
        """The standard deviation of what each layer of a run gives. Raises RunError."""
        need_flax()
        from archspec_flax.trainer import Flax
        from archspec_runtime.measure.responses import measure_responses

        foreign = foreign_class(run, self.name, model_files)
        return measure_responses(Flax(), run, layers, split, data, device, images, foreign)

    def mistakes(
        self, run: Path, split: str, data: Path | None, device: str, predictions: Path | None, *, force: bool,
        threads: int | None = None,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run image by image, keep its mistakes, and write what it predicts. Raises RunError."""
        need_flax()
        from archspec_flax.trainer import Flax
        from archspec_runtime.measure.mistakes import measure_mistakes

        foreign = foreign_class(run, self.name, model_files)
        framework = Flax()
        if threads is not None:
            framework.use_threads(threads)
        return measure_mistakes(framework, run, split, data, device, predictions, foreign, force=force).numbers()

    def predict(
        self, source: Path | Trained, images: Iterable[Any], device: str, top: int | None
    ) -> tuple[Sequence[str], Sequence[str], Iterator[Prediction]]:
        """The classes, the pictures, and what a run or a net with its weights says of each. Raises RunError."""
        need_flax()
        from archspec_flax.trainer import Flax
        from archspec_runtime.measure.evaluation import open_run
        from archspec_runtime.measure.predictions import pictures, predictions
        from archspec_runtime.measure.weights import of_weights
        from archspec_runtime.record.own_source import Source

        found = pictures(images)
        if isinstance(source, Path):
            run = open_run(Flax(), source, foreign_class(source, self.name, model_files))
        else:
            check_supported(source.net, self)
            own = Source(source.model or source.weights, self.name)
            make = (
                own.model(source.net.class_name)
                if source.model
                else model_class(source.net, self.name, model_files)
            )
            run = of_weights(Flax(), source.weights, job_fields(source.net), source.identity, make, own)
        return run.class_names, [picture.name for picture in found], predictions(run, found, device, top)

    def examine(self) -> Iterator[tuple[str, str, bool, str | None]]:
        """Flax, JAX and its devices, and what goes with them."""
        from archspec_flax.health import examine

        return examine()

"""The PyTorch backend as archspec finds it: source for a net, and a model made by importing that source."""

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
from archspec.emission.import_source import foreign_class, import_model, import_source, model_class
from archspec.emission.lint import check_files, check_running
from archspec.emission.resume import begun
from archspec.emission.trial import check_output, check_tensors
from archspec.files import FolderError, write_folder
from archspec.ir.network import Network
from archspec.loading.program import Program
from archspec_runtime.checkpoints.weights import RunWeights
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options
from archspec_torch.emit.dialect import SUPPORTED
from archspec_torch.emit.model import model_files, model_map
from archspec_torch.formats import StateDict
from archspec_torch.health import need_torch

if TYPE_CHECKING:
    from torch import nn

    from archspec.importing import Imported


class TorchBackend:
    """Emission to PyTorch (NCHW); names of parameters are the spec's."""

    name = "torch"
    supported = SUPPORTED
    named_outputs = True
    source = "model.py"
    options: Collection[str] = ("compile", "shard", "deterministic")  # of training, as the trainer has them
    errors: tuple[type[Exception], ...] = (RunError, FolderError)
    formats: Sequence[WeightsFormat] = (StateDict(), RunWeights())

    def emit(self, net: Network, weights: Weights | None = None) -> Files:
        """The files of a folder that works without archspec. Raises SpecError for operations that are not supported."""
        from archspec_torch.emit.folder import KIT

        check_supported(net, self)
        return {**folder_files(net, KIT, weights=weights), **weights_file(weights)}

    def source_map(self, net: Network) -> SourceMap:
        """`model.py` with the steps of its lines. Raises SpecError for operations that are not supported."""
        check_supported(net, self)
        return model_map(net)

    def build(self, net: Network, *, seed: int, weights: Weights | None) -> nn.Module:
        """An `nn.Module` made by importing the emitted source under `seed`, with `weights` loaded where given."""
        check_supported(net, self)
        torch = need_torch()
        module = import_model(net.name, self.name, model_files(net))
        with torch.random.fork_rng():
            from archspec_runtime.draws import short_seed  # with NumPy, which emitting does without

            torch.manual_seed(short_seed(seed))
            model: nn.Module = getattr(module, net.class_name)()
        if weights is not None:
            from archspec_torch.weights import load_weights

            load_weights(model, weights)
        return model

    def _start(self, net: Network) -> nn.Module:
        return self.build(net, seed=0, weights=None)

    def import_source(
        self, source: str, arguments: Mapping[str, Any], size: tuple[int, int, int] | None
    ) -> Imported:
        """The model of a source as a spec that is proven equal to it. Raises ModelError."""
        need_torch()
        from archspec_torch.importing.importing import import_source

        return import_source(source, arguments, size, self._start)

    def check_source(
        self, source: str, arguments: Mapping[str, Any], size: tuple[int, int, int] | None, net: Program
    ) -> list[str]:
        """What of a source's model was compared with a net. Raises ModelError where they differ."""
        need_torch()
        from archspec_torch.importing.importing import check_source

        return check_source(source, arguments, size, net, self._start)

    def import_module(self, module: Any, example: Any, *, name: str | None = None) -> Imported:
        """A model as a spec, by an example of the images that it takes. Raises ModelError."""
        need_torch()
        from archspec_torch.importing.importing import import_module

        return import_module(module, example, self._start, name=name)

    def observe_module(self, module: Any, outputs: Sequence[str], images: Any, draw: Draw | None) -> Observed:
        """What the modules of a model give, a copy of which is run."""
        import copy

        from archspec_torch.observing import observed

        return observed(copy.deepcopy(module), outputs, images, draw)

    def observe(self, net: Network, weights: Weights, images: Any, draw: Draw | None) -> Observed:
        """What the modules of an emitted model give with these weights."""
        model = self.build(net, seed=0, weights=None).double()
        from archspec_torch.observing import observed
        from archspec_torch.weights import load_weights

        load_weights(model, weights)
        return observed(model, [output.name for output in net.outputs], images, draw)

    def import_file(self, path: Path) -> Imported:
        """The exported program of a `.pt2` file as a spec, by its graph proven equal. Raises ModelError."""
        need_torch()
        from archspec_torch.exported.importing import import_file

        return import_file(path, self._start)

    def try_source(self, net: Network, files: Files) -> None:
        """Make the emitted model, if PyTorch is installed, without memory for its numbers. Raises SpecError (AS704)."""
        try:
            torch = need_torch()
        except SpecError:
            return
        source, file = str(files["model.py"]), f"archspec_tried_torch_{net.fingerprint}"

        def run() -> None:
            try:
                made = getattr(import_source(source, file), net.class_name)
                with torch.device("meta"), torch.no_grad():
                    model = made().eval()
                    check_tensors(net, {name: tuple(t.shape) for name, t in model.state_dict().items()})
                    images = torch.zeros(2, *net.input_shape)
                    check_output(net, model(images))
                    if any(output.train_only for output in net.outputs):
                        check_output(net, model.train()(images), training=True)
            finally:
                sys.modules.pop(file, None)

        check_running(net.name, self.name, f"{file}.py", run)

    def train(self, net: Program, options: Mapping[str, Any]) -> int:
        """Emit the net into the run's folder and run what was emitted. Raises RunError or FolderError."""
        need_torch()
        from archspec_runtime.record.identity import digest_of_source
        from archspec_runtime.run.emitted import train_emitted
        from archspec_torch.emit.folder import KIT
        from archspec_torch.trainer import Torch

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
            Torch(),
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
        need_torch()
        from archspec_torch.trainer import Torch

        return Torch().launch(command, processes, restarts)

    def evaluate(
        self, run: Path, split: str, data: Path | None, device: str, *, crops: int = 1, scales: Sequence[int] = (),
        mirror: bool = False, threads: int | None = None,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run's newest checkpoint, or one checkpoint. Raises RunError."""
        need_torch()
        from archspec_runtime.measure.crops import Views, evaluate_views
        from archspec_torch.trainer import Torch

        views = Views(crops, tuple(scales), mirror)
        foreign = foreign_class(run, self.name, model_files)
        framework = Torch()
        if threads is not None:
            framework.use_threads(threads)
        return evaluate_views(framework, run, views, split, data, device, foreign).numbers()

    def responses(
        self, run: Path, layers: Sequence[str], split: str, data: Path | None, device: str, images: int | None
    ) -> Sequence[float]:
        """The standard deviation of what each layer of a run gives. Raises RunError."""
        need_torch()
        from archspec_runtime.measure.responses import measure_responses
        from archspec_torch.trainer import Torch

        foreign = foreign_class(run, self.name, model_files)
        return measure_responses(Torch(), run, layers, split, data, device, images, foreign)

    def mistakes(
        self, run: Path, split: str, data: Path | None, device: str, predictions: Path | None, *, force: bool,
        threads: int | None = None,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run image by image, keep its mistakes, and write what it predicts. Raises RunError."""
        need_torch()
        from archspec_runtime.measure.mistakes import measure_mistakes
        from archspec_torch.trainer import Torch

        foreign = foreign_class(run, self.name, model_files)
        framework = Torch()
        if threads is not None:
            framework.use_threads(threads)
        return measure_mistakes(framework, run, split, data, device, predictions, foreign, force=force).numbers()

    def predict(
        self, source: Path | Trained, images: Iterable[Any], device: str, top: int | None
    ) -> tuple[Sequence[str], Sequence[str], Iterator[Prediction]]:
        """The classes, the pictures, and what a run or a net with its weights says of each. Raises RunError."""
        need_torch()
        from archspec_runtime.measure.evaluation import open_run
        from archspec_runtime.measure.predictions import pictures, predictions
        from archspec_runtime.measure.weights import of_weights
        from archspec_runtime.record.own_source import Source
        from archspec_torch.trainer import Torch

        found = pictures(images)
        if isinstance(source, Path):
            run = open_run(Torch(), source, foreign_class(source, self.name, model_files))
        else:
            check_supported(source.net, self)
            own = Source(source.model or source.weights, self.name)
            make = (
                own.model(source.net.class_name)
                if source.model
                else model_class(source.net, self.name, model_files)
            )
            run = of_weights(Torch(), source.weights, job_fields(source.net), source.identity, make, own)
        return run.class_names, [picture.name for picture in found], predictions(run, found, device, top)

    def examine(self) -> Iterator[tuple[str, str, bool, str | None]]:
        """PyTorch, its devices, and what the trainer needs."""
        from archspec_torch.health import examine

        return examine()

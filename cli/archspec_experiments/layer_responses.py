"""The layer responses of Figure 7 of He et al. (2015) for several runs: measured, kept with each run, compared, drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import archspec
from archspec.analysis.response_layers import responding_layers
from archspec.backends import Trainer
from archspec.backends.folders import folder_of
from archspec_experiments.runs import labels_of, spec_of
from archspec_runtime.console import say, warn
from archspec_runtime.errors import RunError
from archspec_runtime.files.conforming import odd
from archspec_runtime.files.pictures import add_legend, save_picture
from archspec_runtime.record.folder import read_run, write_json
from archspec_runtime.record.source_notes import shown_name

KEPT = "responses.json"


@dataclass(frozen=True, slots=True)
class Responses:
    """The standard deviation of each 3x3 convolution's normalized output, in order of execution."""

    run: str
    net: str
    split: str
    images: int | None  # how many; None for all of the split
    layers: list[str]
    deviations: list[float]

    @property
    def in_order_of_size(self) -> list[float]:
        """The deviations from the largest down, as in the figure's lower part."""
        return sorted(self.deviations, reverse=True)

    @property
    def mean(self) -> float:
        """The mean over the layers."""
        return sum(self.deviations) / len(self.deviations)


def measure(
    backend: Trainer, path: Path, split: str, data: Path | None, device: str, images: int | None
) -> Responses:
    """Measure a run's newest checkpoint, or one of its checkpoints, and keep the result in the run's folder.

    Raises RunError where the net has no such layers, or where the run cannot be measured.
    """
    name = shown_name(folder_of(path), read_run(folder_of(path)))
    layers = responding_layers(archspec.load(spec_of(path)))
    if not layers:
        raise RunError(
            f"{name} has no batch normalization after a 3x3 convolution", "the figure is about those alone"
        )
    deviations = list(backend.responses(path, layers, split, data, device, images))
    found = Responses(str(path), name, split, images, layers, deviations)
    try:
        write_json(folder_of(path) / KEPT, asdict(found))
        say(f"the responses are in {folder_of(path) / KEPT}; `archspec report` shows them")
    except RunError as error:  # a run of somebody else's can be measured, and its report lacks what was
        warn(f"{error.message}: what was measured is not kept, and `archspec report` cannot show it")
    return found


def kept(folder: Path) -> Responses | None:
    """What was measured of a run; None where nothing was, or where it cannot be read."""
    try:
        found = Responses(**json.loads((folder / KEPT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if odd(found) is None and len(found.layers) == len(found.deviations) > 0 else None


def table(measured: Sequence[Responses]) -> Iterator[str]:
    """One line a run: how its layers respond on the whole, and each of them."""
    labels = labelled(measured)
    width = max(len("run"), *(len(label) for label in labels))
    yield f"{'run':<{width}}  {'layers':>6}  {'mean':>7}  {'largest':>7}  {'smallest':>8}"
    for label, one in zip(labels, measured, strict=True):
        sizes = one.in_order_of_size
        yield f"{label:<{width}}  {len(sizes):>6}  {one.mean:>7.4f}  {sizes[0]:>7.4f}  {sizes[-1]:>8.4f}"
    for label, one in zip(labels, measured, strict=True):
        yield from ("", label)
        longest = max(len(layer) for layer in one.layers)
        yield from (f"  {layer:<{longest}}  {d:.4f}" for layer, d in zip(one.layers, one.deviations, strict=True))


def labelled(measured: Sequence[Responses]) -> list[str]:
    """The nets' names, with the run where several have the same."""
    return labels_of([(one.net, Path(one.run)) for one in measured])


def draw(measured: Sequence[Responses], file: Path) -> None:
    """Draw the responses in order of layers and sorted, as in Figure 7 (PNG, SVG). Raises OSError."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False}):  # a name is no formula
        figure = Figure(figsize=(8, 6), layout="constrained")
        above, below = figure.subplots(2, sharex=True, sharey=True)
        for label, one in zip(labelled(measured), measured, strict=True):
            index = range(1, len(one.layers) + 1)
            above.plot(index, one.deviations, marker=".", linewidth=1.0, label=label)
            below.plot(index, one.in_order_of_size, marker=".", linewidth=1.0)
        above.set_xlabel("layer")
        above.tick_params(labelbottom=True)
        below.set_xlabel("layer, sorted by magnitude")
        for axes in (above, below):
            axes.set_ylabel("standard deviation")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
        add_legend(figure, above)
        save_picture(figure, file)

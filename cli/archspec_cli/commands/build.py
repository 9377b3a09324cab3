"""`archspec build`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import Backend, Include, Preset, Set, Spec, given, load, report
from archspec_cli.console import fail, fail_with, say, tell, tell_text


class Emit(StrEnum):
    """What to write."""

    source = "source"
    ir = "ir"


def build(
    context: typer.Context,
    spec: Spec,
    backend: Backend = "torch",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to write (default: the net's name).")
    ] = None,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights to put into the folder: whatever `archspec convert` reads.", show_default=False),
    ] = None,
    emit: Annotated[
        Emit, typer.Option(help="Source in a folder, or the checked network as text on stdout.")
    ] = Emit.source,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Write into a folder that holds something else, or replace the build of another spec."
        ),
    ] = False,
) -> None:
    """Write a folder with the net's source, its trainer and its resolved spec, which works without archspec.

    Examples: archspec build resnet50 · archspec build my.yaml --out my --set width=32
    """
    import archspec
    from archspec.analysis.starts import whitened
    from archspec.api import read_weights
    from archspec.files import FolderError

    if emit is Emit.ir and (out or weights or force or given(context, "backend")):
        fail("--emit ir prints the network, and writes no folder",
             "leave out --out, --weights, --force and --backend")  # fmt: skip
    net = load(spec, sets, preset, include, trains=True)
    if emit is Emit.ir:
        from archspec.ir.text import to_text

        tell_text(to_text(net))
        return
    folder = out or Path(net.name)
    try:
        read = None if weights is None else read_weights(net, weights)
        files = archspec.emit(net, backend, weights=read, tried=True)
        files.write(folder, force=force)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except (archspec.WeightsError, FolderError) as error:
        fail_with(error)
    if read is not None:
        from archspec.weights.identity import notes_on

        for note in notes_on(read, net):
            say(f"{weights}: {note}")
    elif started := whitened(net):
        say(
            f"{' and '.join(started)}: starts from training images, when train.py runs; the model alone draws it at random"
        )
    written = sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in files})
    tell(f"{folder}: {', '.join(written)}")

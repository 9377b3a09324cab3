"""`archspec convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import Include, Key, Maps, Preset, Set, load, report
from archspec_cli.console import fail, fail_with, tell


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="A .pt, .pth, .safetensors, .msgpack or .onnx file, an Orbax checkpoint, or a run.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="DST", help="What to write; --to decides where its suffix does not.", show_default=False
        ),
    ],
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec",
            help="The net: a spec file, a zoo name, or NAME:PRESET (default: that of SRC, where it is a run).",
            show_default=False,
        ),
    ] = None,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="BACKEND", help="Whose format SRC has, where it does not show.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="BACKEND", help="Whose format to write: torch a .pt file, flax an Orbax checkpoint."
        ),
    ] = None,
    maps: Maps = None,
    key: Key = None,
    dtype: Annotated[
        str | None, typer.Option(help="float64, float32, float16 or bfloat16 (default: as they are).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite DST.")] = False,
) -> None:
    """Convert weights between PyTorch, safetensors and Flax, bit for bit; nothing is written unless all of them fit the net.

    Examples: archspec convert resnet18.pth resnet18-flax --to flax --spec resnet18 ·
    archspec convert other.pt w.safetensors --spec resnet50 --map module.= --map linear.=fc. ·
    archspec convert runs/cifar-resnet-20 w.pt
    """
    import archspec
    from archspec.backends.folders import folder_of
    from archspec.files import FolderError
    from archspec.weights.named_net import without_spec
    from archspec_experiments.runs import spec_of
    from archspec_runtime.errors import RunError
    from archspec_runtime.record.folder import run_of

    if (run := run_of(target)) is not None:
        fail(f"{target} is a file of the run {run}", "give another DST")
    if spec is None and not (folder_of(source) / "run.json").is_file():
        fail(*without_spec(source))
    try:
        net = load(spec if spec is not None else str(spec_of(source)), sets, preset, include)
    except RunError as error:
        fail_with(error)
    try:
        done = archspec.convert(net, source, target, source_backend=from_, target_backend=to, maps=maps or (), key=key,
                                dtype=dtype, force=force)  # fmt: skip
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except (archspec.WeightsError, FolderError) as error:
        fail_with(error)
    for note in done.notes:
        tell(f"{source}: {note}")
    tell(f"{target}: {done.target} of {done.tensors:,} tensors in {' and '.join(done.dtypes)}, from {done.source}")

"""`archspec port`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import As, Format, Key, Maps, plain, report, size_of_images
from archspec_cli.console import fail, fail_with, prints_aside, say, tell, tell_json


class Target(StrEnum):
    """The framework to port to."""

    flax = "flax"
    torch = "torch"


def port(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="What `archspec import` takes; or a run, a folder that was built with weights, or with --spec weights.",
            show_default=False,
        ),
    ],
    to: Annotated[Target, typer.Option("--to", help="The framework to port to.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.", show_default=False)],
    args: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="KEY=VALUE", help="An argument of the class or factory; can be repeated."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="C,H,W", help="The images that it takes (default: the model's own, or 3,224,224)."
        ),
    ] = None,
    spec: Annotated[
        str | None, typer.Option("--spec", help="The net, where SOURCE is weights alone.", show_default=False)
    ] = None,
    maps: Maps = None,
    key: Key = None,
    format: As = Format.text,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds something else.")] = False,
) -> None:
    """Turn a model with its weights into source of another framework, proven equal layer by layer.

    The folder has model.py, the spec, the weights in the framework's own format, and report.html. Nothing is written where a
    layer differs. This runs a PyTorch model's own code.

    Examples: archspec port timm:resnet18 --to flax --arg pretrained=true --out r18 ·
    archspec port net.py:Net --to flax --input 1,28,28 --out net ·
    archspec port linen.msgpack --spec net.yaml --to torch --out net
    """
    import archspec
    from archspec.files import FolderError, check_own
    from archspec.importing.files import kind_of
    from archspec_runtime.record.folder import run_of

    if (run := run_of(out)) is not None:
        fail(f"{out} is a file of the run {run}", "give another --out")
    if out.resolve() == Path(source).resolve():
        fail(f"{out} is what is ported, and would be replaced", "give another --out")
    chosen = size_of_images(size)
    of_weights = spec is not None or Path(source).is_dir()
    if of_weights and (args or chosen):
        fail("--arg and --input are of a model in code", "leave them out; the net of weights is that of --spec")
    if not of_weights and (maps or key):
        fail("--map and --key are of weights", "leave them out, or give --spec")
    arguments = plain(args)
    file = None if of_weights else kind_of(source)
    if file is not None and (arguments or chosen):
        fail(f"{file.noun} says itself what it takes", "leave --arg and --input out")
    if file is not None and not file.has_weights:
        fail(f"{file.noun} has no weights to port", "`archspec import` and `archspec build` make a model of it")
    if file is not None:
        say(f"{source}: {file.told}")
    elif not of_weights and ":" in source:
        say(f"{source}: its own code is run")
    try:
        if not force:
            check_own(out)
        with prints_aside():
            ported = archspec.port(
                source, str(to), chosen, spec=spec, arguments=arguments, maps=maps or (), key=key
            )
        ported.write(out, force=force)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except (archspec.ModelError, archspec.WeightsError, FolderError) as error:
        fail_with(error)
    if format is Format.json:
        tell_json(ported.as_json(str(out)))
        return
    tell(*ported.table(), "")
    for line in ported.report:
        say(line)
    names = sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in ported.files})
    tell(f"{out}: {', '.join(names)}")

"""`archspec import`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec_cli.common import load, plain, report, size_of_images
from archspec_cli.console import fail, fail_with, prints_aside, say, tell, tell_text


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="torchvision:NAME, timm:NAME, package.module:factory, path/to/file.py:Class, net.onnx, net.pt2 or net.prototxt.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The spec to write (default: print it).", show_default=False)
    ] = None,
    weights_out: Annotated[
        Path | None,
        typer.Option(
            "--weights-out", help="Write the model's weights as well, a .safetensors file.", show_default=False
        ),
    ] = None,
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
    check: Annotated[
        bool, typer.Option("--check", help="Compare the model with the spec of --spec, and write nothing.")
    ] = False,
    spec: Annotated[
        str | None, typer.Option("--spec", help="The spec that --check holds the model to.", show_default=False)
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Where a spec has no words for some of it, write the rest to NAME.partial.yaml, with holes that `check` names.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files.")] = False,
) -> None:
    """Turn a model into a readable spec that is proven equal to it. This runs a PyTorch model's own code, and none of a file.

    Examples: archspec import torchvision:resnet50 --out my50.yaml ·
    archspec import net.py:Net --arg width=64 --input 1,28,28 --out net.yaml --weights-out net.safetensors ·
    archspec import net.py:Net --check --spec net.yaml
    """
    import archspec
    from archspec.files import FolderError
    from archspec.importing.files import kind_of

    chosen = size_of_images(size)
    if out is not None and weights_out is not None and out.resolve() == weights_out.resolve():
        fail("--out and --weights-out name the same file", "give each its own")
    if (
        folder := next((path for path in (out, weights_out) if path is not None and path.is_dir()), None)
    ) is not None:
        fail(f"{folder} is a folder", "give the name of a file")
    in_part = None
    if partial and out is not None:
        in_part = out.with_name(f"{out.name.removesuffix('.yaml').removesuffix('.partial')}.partial.yaml")
    file = kind_of(source)
    read = Path(source if file is not None else source.rpartition(":")[0])
    for path in (out, weights_out, in_part):
        if path is not None and path.resolve() == read.resolve():
            fail(f"{path} is what is imported, and would be replaced", "give another name")
        if path is not None and path.exists() and not force:
            fail(f"{path} exists already", "give another name, or --force to overwrite it")
    if force and out is None and weights_out is None:
        fail("--force overwrites files, and none is written", "give --out or --weights-out, or leave --force out")
    given = plain(args)
    if check or spec is not None:
        if partial:
            fail("--partial writes a spec, and --check writes nothing", "leave one of them out")
        _hold(source, given, chosen, spec, check and file is None, out is None and weights_out is None)
        return
    if file is not None and (given or chosen):
        fail(f"{file.noun} says itself what it takes", "leave --arg and --input out")
    if file is not None and not file.has_weights and weights_out is not None:
        fail(f"{file.noun} has no weights", "leave --weights-out out")
    if file is not None:
        say(f"{source}: {file.told}")
    elif ":" in source:
        say(f"{source}: its own code is run")
    try:
        with prints_aside():
            found = archspec.import_model(source, chosen, arguments=given)
        written = {} if out is None else {out: found.spec.encode()}
        if weights_out is not None:
            from archspec.weights.dtypes import remarks_on_numbers
            from archspec.weights.safetensors import serialized

            written[weights_out] = serialized(found.weights)
            for line in remarks_on_numbers(found.weights):
                say(f"warning: {weights_out}: {line}")
        _write(written, force)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except (archspec.ModelError, FolderError) as error:
        if partial:
            _write_part(getattr(error, "partial", None), in_part, force)
        fail_with(error)
    for line in found.report:
        say(f"equal: {line}")
    if out is None:
        tell_text(found.spec)
        return
    tell(f"{out}: {len(found.spec.splitlines())} lines" + (f", and {weights_out}" if weights_out else ""))


def _hold(
    source: str,
    given: Mapping[str, Any],
    size: tuple[int, int, int] | None,
    spec: str | None,
    asked: bool,
    silent: bool,
) -> None:
    """Compare a model of PyTorch with a spec; exit with 1 where they differ."""
    import archspec
    from archspec.backends import find_importer

    if spec is None or not asked:
        fail(
            "--check and --spec belong together, with a model of PyTorch",
            "such as net.py:Net --check --spec net.yaml",
        )
    if not silent:
        fail("--check writes nothing", "leave --out and --weights-out out")
    net = load(spec, None, None, None)
    say(f"{source}: its own code is run")
    try:
        with prints_aside():
            said = find_importer("torch").check_source(source, given, size, net)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except archspec.ModelError as error:
        fail_with(error)
    for line in said:
        say(f"equal: {line}")
    tell(f"{source} is the net of {spec}")


def _write_part(text: str | None, out: Path | None, force: bool) -> None:
    """Write a spec with holes, or print it; of a model that was refused as a whole there is none."""
    if text is None:
        return
    if out is None:
        tell_text(text)
        return
    from archspec.files import FolderError

    try:
        _write({out: text.encode()}, force)
    except FolderError as error:
        fail_with(error)
    tell(f"{out}: what can be said, with holes for the rest; nothing of it is compared")


def _write(contents: Mapping[Path, bytes], force: bool) -> None:
    """Write files, all of them or none; one that came to be since the command began is another's."""
    from archspec.files.folders import written_aside

    with ExitStack() as stack:
        for path, content in contents.items():
            aside = stack.enter_context(written_aside(path, force=force, replaceable=lambda _: True))
            aside.write_bytes(content)

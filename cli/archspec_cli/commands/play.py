"""`archspec play`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec_cli.common import Include, Preset, Set, is_run, pairs, report, spec_names
from archspec_cli.console import fail, fail_with, say, tell

if TYPE_CHECKING:
    from archspec_play.opened import Opened


def play(
    spec: Annotated[
        str | None,
        typer.Argument(
            help="A spec file, a zoo name such as resnet50, NAME:PRESET, a run's folder, or an address that was shared; "
            "without one, a small residual net.",
            show_default=False,
            autocompletion=spec_names,
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="The port on this machine (default: a free one).", show_default=False),
    ] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address, and open no browser.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write the page into this folder instead, as static files that run archspec in the reader's browser.",
            show_default=False,
        ),
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(
            help="With --export: a folder that has Pyodide and the wheels for it (default: fetched by npm and pip).",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --export: write into a folder that holds something else.")
    ] = False,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
) -> None:
    """Edit a spec in the browser: errors with their fixes, shapes and costs while one types, beside it picture, costs and code.

    The page is served on this machine alone, at an address with a token, until Ctrl-C. The file is written only when
    Save is pressed, and never over changes of others. It needs the extra `play`; --export does not.

    Examples: archspec play · archspec play resnet50 · archspec play mynet.yaml --port 8080 · archspec play --export site
    """
    if export is not None:
        if port or no_open:
            fail("--export serves no page", "leave out --port and --no-open")
        _export(_chosen(spec, preset, sets), include, export, parts, force)
        return
    if parts is not None or force:
        fail(f"{'--force' if parts is None else '--parts'} is of --export", "give --export a folder")
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        from archspec.backends.extras import install_command

        fail(f"`archspec play` needs {error.name}, which is not installed", install_command("play"), 1)
    from archspec_play.server import PortError, serve

    opened = _chosen(spec, preset, sets)

    def tell_address(address: str) -> None:
        tell(address)
        sys.stdout.flush()
        say("the playground is there until Ctrl-C")

    folders = [path.resolve() for path in include or ()]
    try:
        serve(opened, port, folders, browser=not no_open and sys.stdout.isatty(), say=tell_address)
    except PortError as error:
        fail(str(error), error.help)


def _export(opened: Opened, include: list[Path] | None, folder: Path, parts: Path | None, force: bool) -> None:
    from archspec.files import FolderError
    from archspec_play.export import export
    from archspec_play.parts import PartsError

    try:
        export(opened, [path.resolve() for path in include or ()], folder, parts, force=force)
    except (FolderError, PartsError) as error:
        fail_with(error)
    tell(f"{folder}: index.html and what it needs")
    say(f"a browser reads it from any server of files, such as `python -m http.server -d {folder}`")


def _chosen(spec: str | None, preset: str | None, sets: list[str] | None) -> Opened:
    """What was asked for, opened, with what is chosen in advance."""
    opened = _opened(spec)
    if preset is not None:
        opened.preset = preset if opened.preset is None else f"{opened.preset}:{preset}"
    opened.overrides = pairs(sets)
    return opened


def _opened(spec: str | None) -> Opened:
    """What stands for a spec, opened; ends with a message where there is none."""
    from archspec.loading import zoo
    from archspec_play.opened import Opened, TooLongError

    if spec is None:
        from archspec_cli.first_spec import Choices, first_spec

        return Opened("mynet", first_spec(Choices("mynet", None, "cifar10", 10, 3, 32)))
    if "#" in spec and not Path(spec).exists():
        return Opened("shared", "", fragment=spec.partition("#")[2])
    if is_run(spec):
        return Opened(Path(spec).name, (Path(spec) / "code" / "spec.yaml").read_text(encoding="utf-8"))
    stem, _, preset = spec.partition(":")
    file = Path(spec) if Path(spec).is_file() else Path(stem) if preset and Path(stem).is_file() else None
    if file is not None:
        try:
            opened = Opened.from_file(file)
        except UnicodeDecodeError:
            fail(f"{file} is no text in UTF-8", "a spec is YAML: save it as UTF-8")
        except OSError as error:
            fail(f"cannot read {file}: {error.strerror}", "check the path and its permissions")
        except TooLongError as error:
            fail(f"{file} cannot be opened: {error}", "is it a spec?")
        opened.preset = preset or None if file == Path(stem) else None
        return opened
    found, member = zoo.find(stem), zoo.member(stem)
    if found is None and member is not None:
        found, preset = member[0], ":".join(filter(None, (stem, preset)))
    if found is None:
        from archspec.compile import check

        report([one for one in check(spec) if one.is_error])
        raise typer.Exit(2)
    return Opened(found.stem, found.read_text(encoding="utf-8"), preset=preset or None)

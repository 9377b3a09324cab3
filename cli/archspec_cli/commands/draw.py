"""`archspec draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import Include, Preset, Set, Spec, load_any, spec_names
from archspec_cli.console import fail, fail_with, say, tell_text


def draw(
    spec: Spec,
    other: Annotated[
        str | None,
        typer.Argument(
            help="Another, to stand beside it with what differs marked.",
            show_default=False,
            autocompletion=spec_names,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The picture: .svg, .mmd (Mermaid), .tex (TikZ), .png or .pdf; SVG on stdout without.",
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=1, help="How deep to open blocks (default: as deep as a page holds).", show_default=False),
    ] = None,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Draw a network: stages with their costs, repeats once with their count, shapes on the edges, shortcuts as arcs.

    SPEC and OTHER may be folders of runs: their specs as they ran. `--set` and `--preset` apply to both of two. PNG and PDF
    need the extra `draw`.

    Examples: archspec draw resnet50 --out resnet50.svg · archspec draw resnet34 plain34 --out pair.svg --depth 3
    """
    from archspec.drawing.draw import SUFFIXES
    from archspec.drawing.draw import draw as drawn
    from archspec.files import FolderError, written_aside

    if force and out is None:
        fail("--force overwrites a picture, and none is written", "give --out, or leave --force out")
    form = "svg" if out is None else SUFFIXES.get(out.suffix.lower())
    if form is None:
        fail(f"{out} does not say what picture it is", f"its name ends with one of {', '.join(SUFFIXES)}")
    nets = [load_any(one, sets, preset, include) for one in (spec, other) if one is not None]
    if out is None:
        picture = drawn(nets, form, depth)
        assert isinstance(picture, str)
        tell_text(picture)
        return
    if form in ("png", "pdf"):
        _check_cairo(form)
    try:
        with written_aside(out, force=force, replaceable=lambda _: False) as aside:
            picture = drawn(nets, form, depth)
            aside.write_bytes(picture.encode() if isinstance(picture, str) else picture)
    except FolderError as error:
        fail_with(error)
    say(f"the picture is {out}")


def _check_cairo(form: str) -> None:
    """End where CairoSVG is not installed, or does not find the library that it stands on."""
    try:
        import cairosvg  # noqa: F401
    except ImportError:
        from archspec.backends.extras import install_command

        fail(f"{form} needs cairosvg, which is not installed", f"{install_command('draw')}; or --out NAME.svg", 1)
    except OSError:
        fail(
            f"{form} needs the library cairo, which cairosvg does not find",
            "install it (Debian: libcairo2); or --out NAME.svg",
            1,
        )

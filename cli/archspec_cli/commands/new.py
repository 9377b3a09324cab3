"""`archspec new`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from archspec_cli.common import spec_names
from archspec_cli.console import fail, fail_with, say, tell
from archspec_cli.first_spec import FOLDER_SIZE, KNOWN_IMAGES, Choices, first_spec

IMAGES = (
    "digits (8x8, they come with scikit-learn), cifar10, or the path of a folder with a folder of images a class"
)


def new(
    file: Annotated[
        Path | None, typer.Argument(help="The spec to write, such as flowers.yaml.", show_default=False)
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="A net of the zoo to begin with, such as resnet18; without it, a small residual net is written out.",
            autocompletion=spec_names,
        ),
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", metavar="digits|cifar10|FOLDER", help="What it is trained on.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="How many classes; of a folder of images, as many as it has.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=4, help="Of the images: 3 of colours, 1 of grey.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, help=f"Height and width in pixels; {FOLDER_SIZE} for a folder of images.")
    ] = None,
) -> None:
    """Write a first spec from a few options; in a terminal it asks for those that are not given. It replaces no file.

    Examples: archspec new flowers.yaml --from resnet18 --images ~/flowers · archspec new tiny.yaml --images digits
    """
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if file is None:
        file = Path(_ask("file", "mynet.yaml") if asks else "mynet.yaml")
    _refuse_path(file)
    if base is None and asks:
        base = (
            _ask("a net of the zoo to begin with (`archspec list`), or nothing for a small one of your own", "")
            or None
        )
    if base is not None:
        _refuse_base(base)
    if images is None:
        images = _ask(f"images: {IMAGES}", "digits") if asks else "digits"
    choices = _choices(file.stem, base, images, classes, channels, size)
    text = first_spec(choices)
    _refuse_mistakes(text)
    try:
        with file.open("x", encoding="utf-8") as to:
            to.write(text)
    except FileExistsError:  # since it was looked for
        _refuse_path(file)
    tell(f"wrote {file}", *_next(file, choices, images))


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, show_default=bool(default))).strip()


def _refuse_path(file: Path) -> None:
    if file.suffix not in (".yaml", ".yml"):
        named = (
            quote(str(file.with_suffix(".yaml")))
            if file.name.strip(".") and file.stem not in (".yaml", ".yml")
            else "net.yaml"
        )
        fail(f"a spec is a YAML file, and {file} has another suffix", f"archspec new {named}")
    if os.path.lexists(file):
        fail(f"{file} is there already, and stays as it is", "choose another name")
    if os.path.lexists(file.parent) and not file.parent.is_dir():
        fail(f"{file.parent} is no folder", "choose another place")
    if not file.parent.is_dir():
        fail(f"there is no folder {file.parent}", f"mkdir -p {quote(str(file.parent))}")


def _refuse_base(base: str) -> None:
    """End where a name is of no net of the zoo."""
    from archspec.diagnostics.spelling import did_you_mean
    from archspec.loading import zoo

    names = {*zoo.names(), *zoo.members()}
    if base not in names:
        near = did_you_mean(base, names)
        fail(f"the zoo has no net {base}", near or "archspec list prints all")


def _choices(
    name: str, base: str | None, images: str, classes: int | None, channels: int | None, size: int | None
) -> Choices:
    """The choices, with what images say of themselves where no option does."""
    if images in KNOWN_IMAGES:
        has = KNOWN_IMAGES[images]
        for option, given, own in zip(("classes", "channels", "size"), (classes, channels, size), has, strict=True):
            if given is not None and given != own:
                fail(f"--{option} is {given}, and of {images} it is {own}", f"leave --{option} out")
        return Choices(name, base, images, *has)
    folder = Path(images).expanduser()
    if not folder.is_dir():
        fail(f"--images {images} is neither digits nor cifar10 nor a folder", f"it takes {IMAGES}")
    found = _classes_of(folder)
    if classes is None and not found:
        fail(
            f"{folder} has no folders of classes",
            "put the images of each class in a folder of its own, or say --classes",
        )
    if classes is not None and found and classes != found:
        fail(f"--classes {classes}, and {folder} has {found} folders of classes", "leave --classes out")
    tested = any((folder / held).is_dir() for held in ("test", "val"))
    return Choices(name, base, "folder", classes or found, channels or 3, size or FOLDER_SIZE, tested)


def _classes_of(folder: Path) -> int:
    """How many classes the images of a folder have, by the rule of image folders."""
    from archspec_runtime.data.membership import LeftOut
    from archspec_runtime.data.scanning import class_folders
    from archspec_runtime.errors import DataError

    train = folder / "train"
    try:
        return len(class_folders(train if train.is_dir() else folder, LeftOut()))
    except DataError as error:
        fail_with(error)


def _refuse_mistakes(text: str) -> None:
    """End with what is wrong where choices do not fit together, such as images that are too small for a net."""
    from archspec.compile import check

    wrong = [one for one in check(text) if one.is_error]
    if wrong:
        say("error: these choices do not fit together, and nothing is written")
        for one in wrong[:3]:
            say(f"  {one.message}")
        named = any("cannot name a net" in one.message for one in wrong)
        say(
            f"  help: {'another name of the file' if named else 'images of another size, or another net with --from'}"
        )
        raise typer.Exit(2)


def _next(file: Path, choices: Choices, images: str) -> list[str]:
    data = (
        "" if choices.images == "digits" else f" --data {quote(images) if choices.images == 'folder' else 'DATA'}"
    )
    name = quote(str(file))
    lines = [f"  archspec summary {name}", f"  archspec build {name}", f"  archspec train {name}{data}"]
    if choices.images == "cifar10":
        lines.insert(0, "  archspec data fetch cifar10 --out DATA")
    return ["next:", *lines]

"""`archspec data`: check, fetch and pack data sets."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec_cli.common import Set, load, pairs
from archspec_cli.console import fail, fail_with, tell
from archspec_cli.repeated import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archspec_runtime.recipe.images import Data

app = typer.Typer(
    name="data",
    add_completion=False,
    no_args_is_help=True,
    help="Check, fetch and pack data sets.",
    epilog="Examples: archspec data fetch cifar10 --out ~/data · archspec data verify ~/imagenet --spec resnet50",
)


PREFIX, PLACES = "train.data.", ("train", "test", "image", "label")
LISTED = 20  # of what is no fault, that are shown for each reason
FAULT, LEFT_OUT, EQUAL = "fault", "file or folder left out", "set of equal images"
PLURALS = {FAULT: "faults", LEFT_OUT: "files or folders left out", EQUAL: "sets of equal images"}


class Cifar(StrEnum):
    """What can be fetched."""

    cifar10 = "cifar10"
    cifar100 = "cifar100"


class Layout(StrEnum):
    """The published forms of CIFAR."""

    python = "python"
    binary = "binary"


class Form(StrEnum):
    """What images are packed as."""

    same = "same"
    jpeg = "jpeg"
    raw = "raw"


class Corrupt(StrEnum):
    """What happens at an image that cannot be read."""

    stop = "stop"
    skip = "skip"


Kind = Annotated[
    str | None,
    typer.Option("--dataset", help="image_folder, webdataset, parquet, cifar10, cifar100 (default: as it looks)."),
]
Spec = Annotated[str | None, typer.Option(help="A spec whose data set and number of classes it must be.")]


@app.command("verify", cls=Command)
def verify(
    folder: Annotated[Path, typer.Argument(help="What you would give to `train --data`.", show_default=False)],
    spec: Spec = None,
    dataset: Kind = None,
    sets: Set = None,
) -> None:
    """Read all of a data set, count it, and name everything that is wrong, left out, or there twice.

    Exits with 1 where something is wrong, or is left out that may be meant as an image or a class; with 0 otherwise.

    Examples: archspec data verify ~/imagenet --spec resnet50 · archspec data verify ~/cifar-10
    """
    from archspec_runtime.data.verify import verify as examine
    from archspec_runtime.errors import RunError

    try:
        data, classes = _data(folder, dataset, spec, sets)
        report = examine(folder, data, classes)
    except RunError as error:
        fail_with(error)
    for name, value in report.facts.items():
        tell(f"{name:<24} {value}")
    _table(FAULT, report.faults)
    _table(LEFT_OUT, report.left_out, most=LISTED)
    _table(EQUAL, [(_equal(names), "") for names in report.duplicates], most=LISTED)
    raise typer.Exit(1 if report.faults else 0)


def _equal(names: Sequence[str], most: int = 4) -> str:
    return " = ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _table(what: str, rows: Sequence[tuple[str, str]], most: int | None = None) -> None:
    """Rows of where and what, under how many there are; only so many are shown of each what, where `most` says so."""
    if not rows:
        return
    tell("", f"{len(rows):,} {what if len(rows) == 1 else PLURALS[what]}")
    shown = Counter[str]()
    width = min(72, max(len(where) for where, _ in rows[:1000]))
    for where, why in rows:
        shown[why] += 1
        if most is None or shown[why] <= most:
            tell(f"  {where:<{width}}  {why}".rstrip())
    for why, count in shown.items():
        if most is not None and count > most:
            tell(f"  and {count - most:,} more  {why}".rstrip())


@app.command("fetch", cls=Command)
def fetch(
    name: Annotated[Cifar, typer.Argument(help="What to fetch.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to put it in.")],
    layout: Annotated[Layout, typer.Option(help="Which published form.")] = Layout.binary,
    url: Annotated[str | None, typer.Option(help="Another place to get the archive from.")] = None,
    md5: Annotated[str | None, typer.Option(help="Its checksum, where it is not the official archive.")] = None,
) -> None:
    """Download CIFAR, going on where an earlier try was cut off, check it, and unpack it.

    Example: archspec data fetch cifar10 --out ~/data
    """
    from archspec_runtime.data.fetching import fetch_cifar
    from archspec_runtime.errors import RunError

    try:
        tell(str(fetch_cifar(name.value, out, layout.value, url, md5)))
    except RunError as error:
        fail_with(error)


@app.command("pack", cls=Command)
def pack(
    source: Annotated[Path, typer.Argument(help="The data set.", show_default=False)],
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.", show_default=False)],
    form: Annotated[Form, typer.Option("--as", help="The files as they are, JPEGs, or uncompressed.")] = Form.same,
    size: Annotated[int | None, typer.Option(min=1, help="Make the short edge at most this many pixels.")] = None,
    corrupt: Annotated[
        Corrupt, typer.Option(help="Stop at an image that cannot be read, or leave it out.")
    ] = Corrupt.stop,
    spec: Spec = None,
    dataset: Kind = None,
    sets: Set = None,
) -> None:
    """Pack images into a few large files, which `train --data` reads as it reads a folder.

    Examples: archspec data pack ~/imagenet ~/packed · archspec data pack ~/imagenet ~/small --as jpeg --size 256
    """
    from archspec_runtime.data.packing import pack as write
    from archspec_runtime.errors import RunError

    try:
        data, _ = _data(source, dataset, spec, sets)
        found = write(source, target, data, form.value, size, corrupt is Corrupt.skip)
    except RunError as error:
        fail_with(error)
    left_out = f", {found['left out']:,} corrupt ones left out" if found["left out"] else ""
    tell(f"{target}: {found['images']:,} images, {found['bytes']:,} bytes{left_out}")


def _data(
    folder: Path, dataset: str | None, spec: str | None, sets: Sequence[str] | None
) -> tuple[Data, int | None]:
    """Which data set it is, and how many classes it should have."""
    from archspec_runtime.data.verify import KINDS, guess
    from archspec_runtime.errors import DataError
    from archspec_runtime.recipe.images import Data
    from archspec_runtime.recipe.recipe import Recipe

    if dataset is not None and dataset not in KINDS:
        fail(f"there is no data set {dataset!r}", f"one of {', '.join(KINDS)}")
    if not folder.exists():
        raise DataError(f"{folder} does not exist", "give what you would give to `train --data`")
    net = load(spec, sets, None, None) if spec is not None else None
    if net is not None and net.recipe is not None:
        stated = Recipe.from_dict(net.recipe).data
        if dataset not in (None, stated.dataset):
            fail(f"{spec} says the data set {stated.dataset}, and --dataset {dataset}", "leave one of them out")
        return stated, net.classes
    given = {} if net is not None else _places(sets)
    data = Data(
        dataset=dataset or guess(folder), train=given.get("train"), test=given.get("test"), image=given.get("image"),
        label=given.get("label"),
    )  # fmt: skip
    idle = [f"{PREFIX}{key}" for key in given if key != "test" or data.test_share is None]
    if idle and data.dataset not in ("webdataset", "parquet"):
        fail(f"--set {idle[0]} means nothing to the data set {data.dataset}", "leave it out")
    return data, net.classes if net is not None else None


def _places(sets: Sequence[str] | None) -> dict[str, str]:
    """Where images and labels are, as `train --set` says it of a spec."""
    given = pairs(sets)
    for key in given:
        if key not in {f"{PREFIX}{name}" for name in PLACES}:
            keys = ", ".join(f"{PREFIX}{name}" for name in PLACES)
            fail(f"--set {key} says nothing about a data set", f"one of {keys}; for others give --spec")
    return {key.removeprefix(PREFIX): text for key, text in given.items()}

"""What commands share: their arguments, loading a spec, and ending with a message."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec_cli.console import fail, tell_diagnostics
from archspec_cli.own_spec import spec_of_folder
from archspec_cli.repeated import say_replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archspec import Diagnostic, Program


class Format(StrEnum):
    """What is printed."""

    text = "text"
    json = "json"


def spec_names(incomplete: str) -> list[str]:
    """Zoo specs and their presets that begin so, for completion; of files the shell knows itself."""
    from archspec.loading import zoo

    name, colon, _ = incomplete.partition(":")
    if not colon:
        return [name for name in sorted({*zoo.names(), *zoo.members()}) if name.startswith(incomplete)]
    from archspec.diagnostics import Diagnostics
    from archspec.loading.preset_tables import with_preset_table
    from archspec.syntax.reader import read_file

    path = zoo.find(name)
    node = read_file(path, name, Diagnostics()) if path is not None else None
    node = with_preset_table(node, Diagnostics()) if node is not None else None
    presets = node.get("presets") if node is not None else None
    found = [f"{name}:{key}" for key, _ in presets.items()] if presets is not None else []
    return [one for one in found if one.startswith(incomplete)]


def backend_names(incomplete: str) -> list[str]:
    """Installed backends that begin so, for completion."""
    from archspec.backends import backend_names

    return [name for name in backend_names() if name.startswith(incomplete)]


_SPEC = "A spec file, a zoo name such as resnet50, or NAME:PRESET; the folder's own where it holds one."
Spec = Annotated[
    str,
    typer.Argument(
        help=_SPEC,
        show_default=False,
        autocompletion=spec_names,
        default_factory=spec_of_folder,
    ),
]
SpecIfAny = Annotated[str | None, typer.Argument(help=_SPEC, show_default=False, autocompletion=spec_names)]
"""The same, of a command that can do without."""
As = Annotated[Format, typer.Option("--format", help="For people, or as JSON.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override an argument or a dotted key; can be repeated."),
]
Preset = Annotated[str | None, typer.Option("--preset", help="A preset of the spec.")]
Include = Annotated[
    list[Path] | None,
    typer.Option("--include", exists=True, file_okay=False, help="Let `extends` reach into this folder as well."),
]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OLD=NEW",
        help="Rename tensors of the source, such as module.= or Dense_0.=fc. or '*.gamma=*.weight'; can be repeated.",
    ),
]
Key = Annotated[
    str | None, typer.Option("--key", help="Which of several sets of weights in the source, such as model_ema.")
]
Backend = Annotated[str, typer.Option("--backend", help="The framework to use.", autocompletion=backend_names)]


EXAMPLES = {"--set": "--set shortcut=none", "--arg": "--arg width=64"}


def given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def overrides(given: Sequence[str] | None, option: str = "--set") -> dict[str, object]:
    """`KEY=VALUE` pairs, the values read as YAML."""
    from archspec.diagnostics import Diagnostics
    from archspec.syntax.reader import read_value

    values: dict[str, object] = {}
    for key, text in pairs(given, option).items():
        problems = Diagnostics()
        node = read_value(text, f"{option} {key}={text}", problems)
        if node is None:
            report(list(problems))
            raise typer.Exit(2)
        node.origin = option
        values[key] = node
    return values


def plain(given: Sequence[str] | None) -> dict[str, object]:
    """`--arg` pairs as the values of Python that a class or factory takes."""
    from archspec.syntax.nodes import Node

    return {
        key: node.plain() if isinstance(node, Node) else node for key, node in overrides(given, "--arg").items()
    }


def size_of_images(text: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width, as `--input` takes them."""
    if text is None:
        return None
    found = sizes(text, "--input", "3,224,224")
    if len(found) != 3 or min(found) < 1:
        fail(f"--input takes channels, height and width, each from 1 on, not {text!r}", "such as --input 3,224,224")
    return found[0], found[1], found[2]


def pairs(given: Sequence[str] | None, option: str = "--set") -> dict[str, str]:
    """`KEY=VALUE` pairs as text; the last of a key counts, which is said."""
    if not given:
        return {}
    from archspec_experiments.grid import overridden

    found: dict[str, str] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            fail(f"{option} takes KEY=VALUE, not {pair!r}", f"such as {EXAMPLES[option]}")
        key = key.strip()
        if (twice := overridden([*found, key])) is not None:
            say_replaced(f"{option} {twice[0]} is replaced by a later {option} {key}")
        found.pop(key, None)
        found[key] = text
    return found


def sizes(text: str, option: str, such_as: str = "224,256,384") -> list[int]:
    """Numbers with commas between them, as options take them."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if not all(word.isascii() and word.isdigit() for word in words):
        fail(f"{option} takes numbers with commas between them, not {text!r}", f"such as {option} {such_as}")
    return [int(word) for word in words]


def load(
    spec: str,
    sets: Sequence[str] | None,
    preset: str | None,
    include: Sequence[Path] | None,
    *,
    warn: bool = True,
    trains: bool = False,
    schedule: bool = True,
) -> Program:
    """Load a spec and print its warnings on stderr; or print its mistakes and exit with 1.

    Unless it is to be trained, the schedule of a run's own spec is not warned of: that run is made. Nor is any `schedule` that
    options change, which is looked at with them.
    """
    import archspec

    try:
        net = archspec.load(spec, set=overrides(sets), preset=preset, include=include or ())
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    of_run = not trains and Path(spec).parent.name == "code" and os.path.isfile(Path(spec).parents[1] / "run.json")
    found = [d for d in net.warnings if d.code != "AS606" or (schedule and not of_run)]
    if warn and found and os.environ.get("RANK", "0") == "0":  # of the processes of a run, one says it
        report(found)
    return net


def load_any(spec: str, sets: Sequence[str] | None, preset: str | None, include: Sequence[Path] | None) -> Program:
    """Load a spec as `load` does, or that of a run by its folder."""
    return load(str(_spec_of_run(spec)) if is_run(spec) else spec, sets, preset, include)


def is_run(name: str) -> bool:
    """Whether a name is that of a folder of a run, which holds its spec."""
    return os.path.isfile(_spec_of_run(name)) and os.path.isfile(
        Path(name, "run.json")
    )  # too long a name is no file's


def _spec_of_run(folder: str) -> Path:
    return Path(folder, "code", "spec.yaml")


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Print diagnostics for people on stderr."""
    tell_diagnostics(diagnostics, to_stderr=True)

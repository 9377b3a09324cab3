"""What comes with archspec, found by the stem of its file: specs, and the blocks and shortcuts that they use."""

from __future__ import annotations

import json
import re
import textwrap
from functools import cache
from pathlib import Path

from archspec.blocks import blocks, shortcuts
from archspec.diagnostics import Diagnostics
from archspec.syntax.reader import read_file


@cache
def folder() -> Path:
    """Where the zoo's files are: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def names() -> list[str]:
    """The names of all zoo specs."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def recipes() -> list[str]:
    """The names of the recipes that a spec can start from."""
    return sorted(path.stem for path in (folder() / "recipes").glob("*.yaml"))


def recipe(name: str) -> Path | None:
    """The file of a recipe, None for a name that there is not."""
    return folder() / "recipes" / f"{name}.yaml" if name in recipes() else None


def find(name: str) -> Path | None:
    """The file of a zoo spec, None for a name that the zoo has not."""
    return folder() / f"{name}.yaml" if name in names() else None  # whether case counts on this disk or not


@cache
def members() -> dict[str, str]:
    """The nets that are presets of a family's file, by name: called after the file, or with that name of their own."""
    found: dict[str, str] = {}
    for family in names():
        text = (folder() / f"{family}.yaml").read_text(encoding="utf-8")
        _, _, presets = text.partition("\npresets:\n")
        own = re.findall(r"^  (\w+):\s*\{?\s*name: \1\b", presets, re.MULTILINE)
        found |= dict.fromkeys(
            [*re.findall(rf"^(?:  |    )({re.escape(family)}\w+):", presets, re.MULTILINE), *own], family
        )
    return found


def member(name: str) -> tuple[Path, str] | None:
    """The file of a family and the preset that is the net of this name; None where no family has it."""
    family = members().get(name)
    return None if family is None else (folder() / f"{family}.yaml", name)


def block_text(name: str, path: Path) -> str:
    """What a block or shortcut of the library is, for a terminal: what it computes, and its arguments with their defaults."""
    node = read_file(path, path.name, Diagnostics(), library=True)
    assert node is not None, "the library is tested"
    doc, args = node.get("doc"), node.get("args")
    about = textwrap.wrap(" ".join(str(doc.value).split()), 100) if doc is not None else []
    given = (
        [f"  {key} {json.dumps(value.plain()).strip(chr(34))}" for key, value in args.items()]
        if args is not None
        else []
    )
    told = ["", "arguments, each with its type or its default:", *given] if given else []
    return "\n".join([name, "", *about, *told, "", f"its steps: archspec show {name}"]) + "\n"


def library() -> dict[str, Path]:
    """The files of the blocks and shortcuts that come with archspec, by name."""
    return dict(sorted(blocks().items())) | dict(sorted(shortcuts().items()))

"""What specs are made of and start from, with the YAML of each: blocks and shortcuts, recipes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from archspec.loading import zoo
from website.markdown import fenced

BLOCKS = """# Blocks and shortcuts

The library that comes with archspec: small graphs of operations with arguments, in the language of the specs. `archspec
show NAME` prints each, and a spec may declare [blocks of its own](language.md#blocks).
"""
RECIPES = """# Recipes

How nets of the zoo are trained. `train: {recipe: NAME}` starts from one; [what a spec says beside it](language.md#training) goes
before it.
"""


def pages() -> Iterator[tuple[str, str]]:
    """The pages, by their path."""
    library = zoo.library()
    groups = {
        title: [block(name, path) for name, path in library.items() if path.parent.name == folder]
        for title, folder in (("Blocks", "blocks"), ("Shortcuts", "shortcuts"))
    }
    sections = [f"## {title}\n\n" + "\n".join(entries) for title, entries in groups.items()]
    yield "docs/library.md", "\n".join([BLOCKS, *sections])
    yield "docs/recipes.md", "\n".join([RECIPES, *(recipe(name) for name in zoo.recipes())])


def block(name: str, path: Path) -> str:
    """A block or a shortcut: what it computes, and its YAML."""
    text = path.read_text(encoding="utf-8")
    about = yaml.safe_load(text).get("doc", "")
    return f"### {name}\n\n{' '.join(about.split())}\n\n{fenced('yaml', text)}"


def recipe(name: str) -> str:
    """A recipe: where it is from, and its YAML."""
    source, text = parts(zoo.folder() / "recipes" / f"{name}.yaml")
    return f"## {name}\n\n{source}\n\n{fenced('yaml', text)}"


def parts(path: Path) -> tuple[str, str]:
    """What a file says of its source in the comment that it begins with, and what follows."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    said = " ".join(line.removeprefix("#").strip() for line in lines[:head] if "yaml-language-server" not in line)
    return said, "\n".join(lines[head:])

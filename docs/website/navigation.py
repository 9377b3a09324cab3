"""The navigation of the site: the groups of `docs/README.md`, with the pages that are made of archspec itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from website.markdown import LINK

MADE: Mapping[str, Mapping[str, str]] = {
    "Reference": {
        "docs/options.md": "Options of commands",
        "docs/python.md": "Python",
        "docs/zoo/index.md": "The zoo",
        "docs/library.md": "Blocks and shortcuts",
        "docs/recipes.md": "Recipes",
    }
}
"""The pages that are made, by their group: the file of each and what it is called."""


def groups(overview: str) -> dict[str, dict[str, str]]:
    """What each page is called, by its path in the checkout, in the groups of the text of `docs/README.md`."""
    found: dict[str, dict[str, str]] = {}
    for heading, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", overview, re.MULTILINE | re.DOTALL):
        listed = [LINK.search(line) for line in text.splitlines() if line.startswith("- ")]
        pages = {within(link[3]): link[2] for link in listed if link and link[3].endswith(".md")}
        found[heading] = {**pages, **MADE.get(heading, {})}
    return found


def within(target: str, page: str = "docs/README.md") -> str:
    """The path in the checkout that a page's link leads to."""
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / target).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def trees(overview: str) -> str:
    """The navigation as hidden tables of contents, which the first page ends with."""
    return "\n".join(_tree(heading, pages) for heading, pages in groups(overview).items())


def _tree(heading: str, pages: Mapping[str, str]) -> str:
    lines = "".join(f"{name} <{path.removesuffix('.md')}>\n" for path, name in pages.items())
    return f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{lines}```\n"

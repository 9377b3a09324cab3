"""`docs/architecture.md` draws the rooms as they import each other, and names what is there."""

import ast
import functools
import re
from pathlib import Path

from conftest import REPO

PAGE = (REPO / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = {
    "archspec": REPO / "archspec",
    **{path.name: path for where in ("backends", "cli") for path in (REPO / where).glob("archspec_*")},
}


def place(dotted):
    """The node of the drawing that a module belongs to: a room of the core, or a package."""
    package, *inner = dotted.split(".")
    known = (FOLDERS[package] / f"{inner[0]}.py", FOLDERS[package] / inner[0] / "__init__.py") if inner else ()
    return inner[0] if package == "archspec" and any(path.exists() for path in known) else package


def imported(path: Path):
    """The modules of archspec that a file imports, at its top or inside of functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def imports():
    """Which node imports which."""
    return set(arrows_of_files())


def arrows_of_files():
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            own = place(
                ".".join([package, *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__")
            )
            for name in imported(path):
                if name.split(".")[0] in FOLDERS and (other := place(name)) != own:
                    yield own, other


ARROWS = set(re.findall(r"^ *(\w+) --> (\w+)$", PAGE, re.M))


def below(node):
    """What an arrow leads to from a node, straight or by way of others."""
    found, waiting = set(), [node]
    while waiting:
        further = {end for start, end in ARROWS if start == waiting[-1]} - found
        waiting.pop()
        found |= further
        waiting += further
    return found


def test_every_arrow_is_an_import():
    assert ARROWS
    assert not ARROWS - imports()


def test_every_import_follows_the_arrows():
    assert not {(one, other) for one, other in imports() if other not in below(one)}


def test_every_room_and_package_is_drawn():
    assert {node for arrow in ARROWS for node in arrow} == {node for pair in imports() for node in pair}


def test_what_the_page_names_is_there():
    names = set(re.findall(r"`((?:archspec|archspec_\w+)/[\w/]+(?:\.\w+)?)/?`", PAGE))
    assert len(names) > 30
    assert not [name for name in sorted(names) if not (FOLDERS[name.split("/")[0]].parent / name).exists()]

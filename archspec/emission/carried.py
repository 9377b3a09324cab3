"""What a built folder carries along: the modules that its `train.py` imports, those that these import, and so on.

What a package imports for type checkers alone is carried where it is imported from there by its name. A room's `__init__.py` that
says in a docstring what is in the room is not: Python imports a folder without one as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources.abc import Traversable

Packages = Mapping[str, Traversable]
Folders = tuple[tuple[str, Traversable], ...]
"""Packages as what is found of them is kept by: what is installed stays as it is while a process runs."""


def imported_files(source: str, packages: Packages, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The files of these packages that a text imports, by relative path; `given` are files that stand in for theirs."""
    given, found = given or {}, dict[str, str]()
    folders = tuple(packages.items())
    waiting = list(_files(folders, source, ""))
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = given[path] if path in given else _text(folders, path)
            waiting += _files(folders, found[path], path)
    found = {path: text for path, text in found.items() if not _says_what_a_room_holds(path, text)}
    typed = (f"{name}/py.typed" for name, folder in packages.items() if folder.joinpath("py.typed").is_file())
    found |= {path: "" for path in typed if any(there.startswith(path.partition("/")[0]) for there in found)}
    return dict(sorted(found.items()))


def _says_what_a_room_holds(path: str, text: str) -> bool:
    """Whether a file of a folder within a package is a docstring alone."""
    if path.count("/") < 2 or not path.endswith("/__init__.py"):
        return False
    return all(isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) for one in ast.parse(text).body)


@lru_cache(maxsize=1024)
def _files(packages: Folders, source: str, path: str) -> tuple[str, ...]:
    """The files that a file of this path and text imports, wherever it does."""
    found = dict[str, None]()
    for name in _names(ast.parse(source), path.split("/")[:-1]):
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            file = _path(packages, tuple(parts[:length]))
            if file is None:
                found |= dict.fromkeys(_in_use(packages, parts[: length - 1], parts[length - 1]))
                break
            found[file] = None
    return tuple(found)


def _names(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """The dotted names that a file imports, wherever it does: modules, and what may be one or stand in one."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":  # which nothing imports that runs
        tree = ast.Module(tree.orelse, [])
    for node in ast.iter_child_nodes(tree):
        yield from _names(node, package)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*module, alias.name]) for alias in node.names)


def _in_use(packages: Folders, package: list[str], name: str) -> Iterator[str]:
    """The files of a name that a package imports for type checkers alone, and loads where somebody imports it."""
    path = _path(packages, tuple(package)) if package else None
    if path is None or not path.endswith("/__init__.py"):
        return
    for statement in ast.parse(_text(packages, path)).body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            for one in _names(ast.Module(statement.body, []), package):
                module, _, imported = one.rpartition(".")
                if imported == name:
                    yield from _files(packages, f"import {module}", "")


@lru_cache(maxsize=8192)
def _path(packages: Folders, parts: tuple[str, ...]) -> str | None:
    """The file of a module; None where there is none, as of a name in a module."""
    folder = dict(packages).get(parts[0])
    if folder is None:
        return None
    *within, last = parts
    for tail in ((*parts, "__init__.py"), (*within, f"{last}.py")):
        if len(tail) > 1 and folder.joinpath(*tail[1:]).is_file():
            return "/".join(tail)
    return None


@lru_cache(maxsize=1024)
def _text(packages: Folders, path: str) -> str:
    package, _, within = path.partition("/")
    return dict(packages)[package].joinpath(*within.split("/")).read_text(encoding="utf-8")

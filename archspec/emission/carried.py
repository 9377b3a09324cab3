"""What a built folder carries along: the modules that its `train.py` imports, those that these import, and so on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources.abc import Traversable

Packages = Mapping[str, Traversable]


def imported_files(source: str, packages: Packages, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The files of these packages that a text imports, by relative path; `given` are files that stand in for theirs."""
    given, found = given or {}, dict[str, str]()
    waiting = list(_imports(source, ""))
    while waiting:
        parts = waiting.pop().split(".")
        for length in range(1, len(parts) + 1):
            path = _path(packages, tuple(parts[:length]))
            if path is None:
                break
            if path not in found:
                found[path] = given[path] if path in given else _text(packages, path)
                waiting += _imports(found[path], path)
    typed = (f"{name}/py.typed" for name, folder in packages.items() if folder.joinpath("py.typed").is_file())
    found |= {path: "" for path in typed if any(there.startswith(path.partition("/")[0]) for there in found)}
    return dict(sorted(found.items()))


@cache
def _imports(source: str, path: str) -> tuple[str, ...]:
    """The dotted names that a file of this path imports, wherever it does: modules, and what may be one or stand in one."""
    return tuple(_names(ast.parse(source), path.split("/")[:-1]))


def _names(tree: ast.AST, package: list[str]) -> Iterator[str]:
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


def _path(packages: Packages, parts: tuple[str, ...]) -> str | None:
    """The file of a module; None where there is none, as of a name in a module."""
    folder = packages.get(parts[0])
    if folder is None:
        return None
    *within, last = parts
    for tail in ((*parts, "__init__.py"), (*within, f"{last}.py")):
        if len(tail) > 1 and folder.joinpath(*tail[1:]).is_file():
            return "/".join(tail)
    return None


def _text(packages: Packages, path: str) -> str:
    package, _, within = path.partition("/")
    return packages[package].joinpath(*within.split("/")).read_text(encoding="utf-8")

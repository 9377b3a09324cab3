"""What is installed, what works, and what would mend the rest."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version

from archspec.backends.extras import PURPOSES, extras
from archspec.backends.registry import backend_names, find_backend
from archspec.diagnostics import SpecError
from archspec.version import __version__


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `archspec doctor`."""

    what: str
    state: str
    sound: bool = True
    remedy: str | None = None
    optional: bool = False  # nothing is wrong where it is not sound


def examine() -> Iterator[Finding]:
    """Look at Python, at ourselves, at each backend, and at what is optional."""
    yield Finding("python", platform.python_version())
    yield Finding("archspec", __version__)
    yield from _namesake()
    for package in ("pydantic", "PyYAML", "Jinja2", "typer", "rich"):
        yield _package(package, "pip install archspec-nn")
    for name in backend_names():
        try:
            backend = find_backend(name)
            yield Finding(f"backend {name}", "loads")
        except SpecError as error:
            yield Finding(f"backend {name}", str(error), False, error.diagnostics[0].help)
            continue
        try:
            yield from [Finding(*found) for found in getattr(backend, "examine", tuple)()]
        except Exception as error:  # noqa: BLE001 (whatever a plugin raises is what is wrong with it)
            yield Finding(name, f"its examination ends in {type(error).__name__}: {error}", False)
    yield from _optional(set(backend_names()))


def _optional(backends: set[str]) -> Iterator[Finding]:
    """The extras besides those of backends, which tell of their own packages."""
    for extra in extras():
        if extra.name in backends:
            continue
        there = ", ".join(extra.there)
        if not extra.lacking:
            yield Finding(f"extra {extra.name}", there, optional=True)
            continue
        state = f"{there + '; ' if there else ''}not installed: {', '.join(extra.lacking)} ({PURPOSES[extra.name]})"
        yield Finding(f"extra {extra.name}", state, False, extra.remedy, optional=True)


def _namesake() -> Iterator[Finding]:
    """PyPI's `archspec` is another library, and both would be imported as `archspec`."""
    try:
        other = distribution("archspec")
    except PackageNotFoundError:
        return
    yield Finding("the unrelated package `archspec`", f"{other.version} is installed too, under the same import name", False,
                  "pip uninstall archspec && pip install --force-reinstall archspec-nn")  # fmt: skip


def _package(name: str, remedy: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", False, remedy)

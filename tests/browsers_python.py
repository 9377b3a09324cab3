"""Tests of the core on the Python of browsers: which files of them, and what pytest does there.

This file is also the plugin of pytest there, in the place of `conftest`, which needs NumPy and processes.
"""

import ast
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytest_plugins = ["written_specs"]

TESTS = Path(__file__).parent
ROOMS = (
    *(
        "analysis",
        "diagnostics",
        "drawing",
        "emission",
        "expansion",
        "importing",
        "ir",
        "language",
        "loading",
        "ops",
    ),
    *("service", "syntax"),
)
THERE = {
    "archspec",
    "archspec_flax",
    "archspec_play",
    "archspec_torch",
    "hypothesis",
    "jinja2",
    "pydantic",
    "pytest",
    "yaml",
}
LACKING = {"multiprocessing", "resource", "subprocess"}
TOOLS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "hypothesis", "sortedcontainers")
PIP = ("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--platform", "pyemscripten_2026_0_wasm32",
       "--implementation", "cp", "--python-version", "3.14", "--abi", "cp314",
       *(f"{name}=={version(name)}" for name in TOOLS if "emscripten" not in sys.platform))  # fmt: skip
FIXTURES = {"cli", "process"}
"""What tests of commands ask for."""


def chosen() -> list[str]:
    """The files of the core's tests that import nothing but the core, the standard library and each other."""
    files = (path for room in ROOMS for path in sorted((TESTS / room).glob("test_*.py")))
    return [path.relative_to(TESTS).as_posix() for path in files if not _lacking(path, set())]


def _lacking(path, seen):
    found = set()
    for name in _imported(path):
        helper = TESTS / f"{name}.py"
        if helper.exists() and name not in seen:
            found |= _lacking(helper, seen | {name})
        elif not helper.exists() and name not in THERE and (name not in sys.stdlib_module_names or name in LACKING):
            found.add(name)
    return found


def _imported(path):
    for line in ast.parse(path.read_text()).body:
        if isinstance(line, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in line.names)
        elif isinstance(line, ast.ImportFrom):
            yield line.module.partition(".")[0]


# --- there ---------------------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addini("timeout", "of pytest-timeout, which needs threads")


def pytest_collection_modifyitems(config, items):
    elsewhere = [item for item in items if FIXTURES.intersection(item.fixturenames)]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]


def run(files):
    """Run the tests of some files; gives pytest's exit status."""
    sys.dont_write_bytecode = True
    options = [
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "-m",
        "not long and not release",
        "--rootdir",
        TESTS.parent,
    ]
    return int(
        pytest.main([*map(str, options), *(str(TESTS / name) for name in files)], plugins=[sys.modules[__name__]])
    )

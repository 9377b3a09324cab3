"""Text of others drives no terminal and begins no line of its own, wherever it is printed or written."""

import ast
from pathlib import Path

import pytest

from archspec.diagnostics.printable import printable, printable_lines

REPO = Path(__file__).parents[2]
CONSOLES = {
    "backends/archspec_runtime/console.py",
    "backends/archspec_torch/importing/graphs.py",  # what a model that is exported prints itself, as it is
    "cli/archspec_cli/console.py",
}


def prints(path):
    """The lines of a module that print by themselves."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "typer.echo", "click.echo", "sys.stdout.write", "sys.stderr.write"):
                yield node.lineno


def test_all_that_is_printed_goes_through_a_console():
    files = [path for folder in ("archspec", "backends", "cli") for path in (REPO / folder).rglob("*.py")]
    assert len(files) > 200
    found = {f"{path.relative_to(REPO)}:{line}" for path in files for line in prints(path)}
    assert {place.partition(":")[0] for place in found} == CONSOLES


def functions(path):
    """The text of each function of a file."""
    text = path.read_text(encoding="utf-8")
    return {node.name: ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("name", "place"), [("printable", "console"), ("out_of_memory", "job/out_of_memory")])
def test_the_runtime_escapes_as_the_core_does(name, place):
    """It is carried along by built folders, which have no core."""
    core = functions(REPO / f"archspec/diagnostics/{name}.py")
    runtime = functions(REPO / f"backends/archspec_runtime/{place}.py")
    assert core
    assert {key: runtime[key] for key in core} == core


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"), ("größer, 更大", "größer, 更大"), ("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"),
        ("\a\b", "\\x07\\x08"),
        ("\x9b2J", "\\x9b2J"), ("\u202eevil", "\\u202eevil"), ("a\u2028b\u2029\x85", "a\\u2028b\\u2029\\x85"),
        ("\u200b\u2066\ufeff", "\\u200b\\u2066\\ufeff"), ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"), ("a\tb\r", "a\\tb\\r"),
    ],
)  # fmt: skip
def test_what_is_not_printable_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_lines_stay_lines():
    assert printable_lines("a\n\tb\x1b\n") == "a\n\tb\\x1b\n"

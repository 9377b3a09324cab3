import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import archspec
from archspec_cli.main import app

REPO = Path(__file__).parent.parent
SHARED = REPO.parent / "shared" / "data"

HEAD = "archspec: 1\nname: net\n"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; read the diff")


@pytest.fixture
def spec(tmp_path):
    """Write a spec and give its path; the two lines that all specs share are added where they are missing."""

    def write(text: str, name: str = "net.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("archspec:") else HEAD + text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def mistakes(spec):
    """The diagnostics of a spec's text."""

    def check(text: str, **options):
        return archspec.check(spec(text), **options)

    return check


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Run a command in a temporary folder; gives exit code and output. A traceback fails the test."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object):
        result = CliRunner().invoke(app, [str(a) for a in args])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def process(tmp_path):
    """Run `archspec` as a process of its own."""

    def run(*args: object, **options):
        command = [sys.executable, "-c", "from archspec_cli.main import main; main()", *map(str, args)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, **options)

    return run

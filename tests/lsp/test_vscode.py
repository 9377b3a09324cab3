"""The extension for VS Code: what it declares, and that its source is JavaScript."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import archspec
from archspec_cli.main import COMMANDS

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"
PACKAGE = json.loads((FOLDER / "package.json").read_text())


def test_the_extension_starts_a_command_that_there_is():
    program, command = PACKAGE["contributes"]["configuration"]["properties"]["archspec.command"]["default"]
    assert program == "archspec"
    assert command in COMMANDS


def test_its_version_is_that_of_archspec_and_its_tools_are_pinned():
    assert PACKAGE["version"] == archspec.__version__
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    for name, version in PACKAGE["devDependencies"].items():
        assert locked[f"node_modules/{name}"]["version"] == version


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no `node` here")
def test_its_source_can_be_read():
    subprocess.run(["node", "--check", str(FOLDER / "src" / "extension.js")], check=True)

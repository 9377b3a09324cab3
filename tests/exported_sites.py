"""Exported playgrounds."""

import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from playgrounds import SPEC


def exported(folder):
    """The page of a small net, exported below a folder with what it needs; skips where npm or PyPI cannot be reached."""
    (folder / "tiny.yaml").write_text(SPEC)
    (folder / "wider.yaml").write_text("archspec: 1\nextends: tiny.yaml\nargs: {wide: true}\n")
    done = CliRunner().invoke(app, ["play", str(folder / "wider.yaml"), "--export", str(folder / "site")])
    if done.exit_code == 1 and ("cannot fetch" in done.stderr or "there is no `npm`" in done.stderr):
        pytest.skip(done.stderr.splitlines()[0])
    assert done.exit_code == 0, done.stderr
    return folder / "site"

"""The page that comes with archspec: whole, pinned, and what its source builds."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import archspec
from conftest import REPO

SOURCE = REPO / "editors" / "play"
PAGE = REPO / "cli" / "archspec_play" / "page"
FILES = {"index.html", "core.js", "play.js", "play.css", "icon.svg", "licenses.txt"}


def test_the_page_is_whole_and_needs_nothing_from_elsewhere():
    assert {path.name for path in PAGE.iterdir()} == FILES
    text = (PAGE / "index.html").read_text()
    assert "http" not in text
    assert "<script>" not in text
    for name in ("play.js", "play.css"):
        assert f'"{name}"' in text
        assert "innerHTML" not in (PAGE / name).read_text()
    for path in ("index.html", "icon.svg"):
        assert (PAGE / path).read_bytes() == (SOURCE / "src" / path).read_bytes()


def test_its_version_is_that_of_archspec_and_its_packages_are_pinned():
    package, locked = (json.loads((SOURCE / name).read_text()) for name in ("package.json", "package-lock.json"))
    assert package["version"] == archspec.__version__
    for name, version in package["devDependencies"].items():
        assert locked["packages"][f"node_modules/{name}"]["version"] == version
        if name != "esbuild":  # which bundles and is not part of it
            assert f"--- {name} {version}\n" in (PAGE / "licenses.txt").read_text()


def test_the_page_is_part_of_what_is_installed():
    ignored = (REPO / ".gitignore").read_text().split()
    assert not any("page" in line for line in ignored)
    assert '"cli/archspec_play",' in (REPO / "pyproject.toml").read_text()


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no `npm` here")
def test_the_page_is_what_its_source_builds(tmp_path):
    source = tmp_path / "play"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=source, capture_output=True, text=True)
    if installed.returncode and any(
        word in installed.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")
    ):
        pytest.skip("no npm registry is in reach")
    assert installed.returncode == 0, installed.stderr
    built = subprocess.run(
        ["node", "build.mjs", str(tmp_path / "page")], cwd=source, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    for name in FILES:
        assert Path(tmp_path, "page", name).read_bytes() == (PAGE / name).read_bytes(), (
            f"{name}: build it again with `cd editors/play && npm ci && npm run build`"
        )

"""The core on the Python that an exported playground has: its own tests, and the same answers as here."""

import json
import re
import shutil
import subprocess
import sys

import pytest

import browsers_python
from archspec.loading import zoo
from conftest import REPO
from exported_sites import exported

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no `node` here"),
]

NODE = """
import { readFile, readdir } from "node:fs/promises";
import { pathToFileURL } from "node:url";
const [site, script, tools, repository] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${site}/pyodide/pyodide.mjs`).href);
const python = await loadPyodide({ indexURL: `${site}/pyodide/` });
for (const folder of [`${site}/wheels`, tools].filter(Boolean))
  for (const wheel of await readdir(folder))
    python.unpackArchive(new Uint8Array(await readFile(`${folder}/${wheel}`)), "wheel");
if (repository) {
  python.FS.mkdirTree("/repository");
  python.FS.mount(python.FS.filesystems.NODEFS, { root: repository }, "/repository");
}
console.log(python.runPython(await readFile(script, "utf8")));
"""
STACK = "--stack-size=8000"  # KiB: pytest calls the core from deeper than a page does


def answered(folder, site, script, *further):
    """What is printed of a script's value there; where it has none, the test fails with all that was printed."""
    (folder / "run.mjs").write_text(NODE)
    (folder / "script.py").write_text(script)
    command = ["node", STACK, *map(str, (folder / "run.mjs", site, folder / "script.py", *further))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Wheels of pytest and Hypothesis for that Python; skips where PyPI cannot be reached."""
    folder = tmp_path_factory.mktemp("tools")
    command = [sys.executable, "-m", "pip", *browsers_python.PIP, "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return folder


THERE = """
import os, sys
sys.path[:] = [os.getcwd(), *filter(None, sys.path), "/repository/tests"]
os.chdir("/tmp")
import archspec, browsers_python
assert archspec.__file__.startswith("/home/"), archspec.__file__  # what was exported, not what lies beside the tests
assert browsers_python.run(given) == 0
"""


def test_the_cores_tests_pass_there(site, tools, tmp_path):
    files = browsers_python.chosen()
    assert {name.partition("/")[0] for name in files} == {*browsers_python.ROOMS}
    told = answered(tmp_path, site, f"given = {files!r}\n{THERE}", tools, REPO)
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None, told
    assert int(passed[1]) > 1000


SAME = """
import hashlib, json
import archspec
from archspec.backends import find_mapper
from archspec.diagnostics.text import to_text

def codes(name):
    net = archspec.load(name)
    texts = [str(net), *(find_mapper(backend).source_map(net).text for backend in ("torch", "flax"))]
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]

def built(name):
    files = archspec.emit(archspec.load(name), backend="torch")
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}

answer = json.dumps({
    "nets": {name: codes(name) for name in given["nets"]},
    "mistakes": {name: to_text(archspec.check(text)) for name, text in given["mistakes"].items()},
    "folder": built("cifar_resnet"),
})
answer
"""


def test_the_browsers_python_makes_of_every_net_and_every_mistake_what_this_one_makes(site, tmp_path):
    mistakes = {path.stem: path.read_text() for path in sorted((REPO / "tests" / "fixtures").glob("AS*.yaml"))}
    given = {
        "nets": zoo.names(),
        "mistakes": {name: text for name, text in mistakes.items() if "extends" not in text},
    }
    here = {"given": given}
    exec(SAME, here)
    there, here = json.loads(answered(tmp_path, site, f"given = {given!r}\n{SAME}")), json.loads(here["answer"])
    assert len(here["nets"]) == len(zoo.names())
    assert len(here["mistakes"]) > 40
    for part in here:
        assert there[part] == here[part]

"""The playground as static files: archspec runs in the browser, and answers as it does here."""

import functools
import io
import json
import os
import tarfile
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from archspec_play import exported
from archspec_play.export import PYTHON
from archspec_play.export import site as site_files
from archspec_play.opened import Opened
from archspec_play.parts import ARCHIVE, DIGESTS, PYODIDE
from archspec_play.sharing import fragment
from browsers import pages
from exported_sites import exported as exported_site
from playgrounds import SPEC

# --- what is written -----------------------------------------------------------------------------------


def archive(**files):
    """An archive as npm packs them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files of a page whose Python is none."""
    folder = tmp_path_factory.mktemp("specs")
    (folder / "base").mkdir()
    (folder / "base" / "tiny.yaml").write_text(SPEC)
    (folder / "nets").mkdir()
    (folder / "nets" / "wider.yaml").write_text("archspec: 1\nextends: ../base/tiny.yaml\nargs: {wide: true}\n")
    opened = Opened.from_file(folder / "nets" / "wider.yaml")
    opened.overrides = {"n": "2"}
    python = archive(**dict.fromkeys(PYTHON, b"python"), **{"console.html": b"http://"})
    return site_files(opened, [folder], {ARCHIVE: python, "pydantic-1-py3-none-any.whl": b"wheel"})


def test_the_exported_page_asks_its_own_core_under_a_policy_of_its_own(written):
    index = written["index.html"].decode()
    assert "data-core" in index
    assert "{{" not in index
    assert "default-src 'none'; script-src 'self'" in index
    assert "unsafe" not in index
    assert {name.partition("/")[2] for name in written if name.startswith("pyodide/")} == {*PYTHON}
    assert "Mozilla Public License" in written["licenses.txt"].decode()


def test_its_wheels_are_whole_and_have_nothing_of_this_machine(written):
    names = json.loads(written["wheels.json"])
    assert names == sorted(name.partition("/")[2] for name in written if name.startswith("wheels/"))
    assert {name.partition("-")[0] for name in names} == {
        "archspec_nn",
        "jinja2",
        "markupsafe",
        "pydantic",
        "pyyaml",
    }
    for name in names:
        if name.startswith("pydantic"):
            continue
        with zipfile.ZipFile(io.BytesIO(written[f"wheels/{name}"])) as wheel:
            listed = wheel.read(next(path for path in wheel.namelist() if path.endswith("/RECORD"))).decode()
            assert sorted(line.partition(",")[0] for line in listed.splitlines()) == sorted(wheel.namelist())
            assert not [path for path in wheel.namelist() if path.endswith((".so", ".pyc", ".pyd"))]
    with zipfile.ZipFile(io.BytesIO(written[f"wheels/{names[0]}"])) as wheel:
        found = set(wheel.namelist())
    assert {"archspec/specs/resnet50.yaml", "archspec/explanations/AS303.md", "archspec/blocks/basic.yaml"} <= found


def test_a_spec_comes_with_the_files_that_it_extends(written, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "FOLDER", tmp_path)
    playground = exported.playground(written["opened.json"].decode())
    begun = json.loads(playground.answer("start", "{}"))
    assert (begun["name"], begun["file"], begun["values"]) == ("wider", None, {"n": "2"})
    asked = {"page": "one", "text": begun["text"], "values": begun["values"]}
    found = json.loads(playground.answer("look", json.dumps(asked)))
    assert (found["diagnostics"], found["net"]["name"]) == ([], "wider")


def test_folders_of_others_are_left_alone_before_anything_is_fetched(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")  # nothing can be fetched
    Path("notes").mkdir()
    Path("notes/index.html").write_text("mine")
    done = cli("play", "--export", "notes")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        2,
        "error: notes holds index.html, which no build wrote",
    )
    assert "--export" in done.stderr
    Path("tiny.yaml").write_text(SPEC)
    assert cli("build", "tiny.yaml", "--backend", "torch", "--out", "built").exit_code == 0
    done = cli("play", "--export", "built")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (2, "error: built holds a build")
    done = cli("play", "--export", "tiny.yaml")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (2, "error: tiny.yaml is a file")
    done = cli("play", "--export", "site")
    assert done.exit_code == 1
    assert "there is no `npm` here" in done.stderr
    assert f"npm pack pyodide@{PYODIDE}" in done.stderr
    assert sorted(os.listdir()) == ["built", "notes", "tiny.yaml"]


def test_parts_that_are_lacking_or_others_are_one_message(cli, tmp_path):
    done = cli("play", "--export", tmp_path / "site", "--parts", tmp_path)
    assert done.exit_code == 1
    assert f"lacks {ARCHIVE}, " in done.stderr
    for name in DIGESTS:
        (tmp_path / name).write_bytes(b"other")
    done = cli("play", "--export", tmp_path / "site", "--parts", tmp_path)
    assert done.exit_code == 1
    assert f"{ARCHIVE} is not the file that was published: its SHA-256 is " in done.stderr
    assert not (tmp_path / "site").exists()


# --- what it does --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    site = exported_site(tmp_path_factory.mktemp("export"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_spec_is_written_mended_chosen_read_and_shared_in_the_browser_alone(address):
    with pages() as browser:
        watched = browser(viewport={"width": 1440, "height": 900})
        watched.page.set_default_timeout(400_000)  # Python is loaded, on a machine that is busy with other tests
        page = watched.open(address)
        page.wait_for_selector("#codes .cm-content >> text=class Wider")
        assert page.get_by_role("tab").all_inner_texts()[-2:] == ["PyTorch", "Flax"]
        assert not page.get_by_role("button", name="Save").is_visible()

        def edited(text):
            page.evaluate("text => window.play.editor.replace(text)", text)

        edited(SPEC.replace("kernel: 3}}, bn1", "kernl: 3}}, bn1"))
        page.wait_for_selector("#problems >> text=1 error")
        assert page.locator("#editor .cm-lintRange-error").inner_text() == "kernl"
        page.get_by_role("button", name="error AS303").click()
        page.wait_for_selector("dialog h3 >> text=AS303: unknown argument")
        page.keyboard.press("Escape")
        page.locator("#problems .link").first.click()
        page.keyboard.press("Control+.")
        page.wait_for_selector("#problems >> text=No problems")
        assert "params" in page.locator(".cm-hint").first.inner_text()

        slider = page.locator("[id='set-n-slider']")
        slider.focus()
        slider.press("ArrowRight")
        page.wait_for_selector("#codes .cm-content >> text=range(2)")
        page.get_by_role("tab", name="Flax").click()
        page.wait_for_selector("#codes .panel:not([hidden]) .cm-step >> text=self.conv1 = Conv(")
        page.get_by_role("tab", name="Schedule").click()
        page.wait_for_selector(".rated svg, .rated canvas")
        page.get_by_role("button", name="Share").click()
        page.wait_for_function("() => location.hash.startsWith('#v1=')")

        again = watched.open(page.evaluate("location.href"))
        assert again.locator("[id='set-n']").input_value() == "2"
        assert again.evaluate("window.play.editor.text") == SPEC
        again.evaluate("link => { location.hash = link; }", fragment(SPEC, "deep", {"wide": "true"}))
        again.wait_for_selector("#choices .options >> text=--preset deep --set wide=true")
        assert again.locator("#preset").input_value() == "deep"
        assert watched.complaints == []
        refused = again.evaluate(
            "() => { try { document.body.innerHTML = '<b>x</b>'; return ''; } catch (e) { return e.name; } }"
        )
        assert refused == "TypeError"
        assert watched.hosts == {address.split("/")[2]}

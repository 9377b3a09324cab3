"""Files that the playground saves, and those that it leaves alone."""

import os

import pytest

pytest.importorskip("starlette", reason="the playground needs the extra `play`")

from archspec_play.opened import Opened
from playgrounds import SPEC, ask, playground


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return playground(Opened("tiny", SPEC, folder=tmp_path_factory.mktemp("play")))


def test_a_file_is_saved_as_it_was_written_and_not_over_another(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_bytes(("\ufeff" + SPEC.replace("\n", "\r\n")).encode())
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    page = playground(Opened.from_file(link))
    begun = ask(page, "start")
    assert begun["text"] == SPEC
    text = SPEC.replace("classes: 10", "classes: 11")
    saved = ask(page, "save", text=text, digest=begun["digest"])
    assert saved["saved"] == str(path)
    assert path.read_bytes() == ("\ufeff" + text.replace("\n", "\r\n")).encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert ask(page, "save", text=SPEC, digest=begun["digest"])["changed"], "another page has saved meanwhile"
    path.write_text("theirs")
    assert ask(page, "save", text=SPEC, digest=saved["digest"])["changed"]
    assert path.read_text() == "theirs"
    now = ask(page, "reload")
    assert now["text"] == "theirs"
    saved = ask(page, "save", text=SPEC, digest=now["digest"])
    path.unlink()
    assert ask(page, "save", text=SPEC, digest=saved["digest"])["changed"]
    assert not path.exists()
    path.mkdir()
    assert ask(page, "save", text=SPEC, digest=saved["digest"])["changed"]


def test_a_spec_without_a_file_is_never_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "download" in ask(page, "save", text=SPEC, digest="")["error"]
    assert os.listdir() == []

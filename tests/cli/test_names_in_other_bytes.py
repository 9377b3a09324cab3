"""Names of what is written that are not UTF-8: refused before anything is done, by every command that writes."""

import os
import sys

import pytest

from runs import said

ODD = os.fsdecode(b"n\xff")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")


@pytest.mark.parametrize(
    "words",
    [
        ("build", "resnet18", "--out", ODD),
        ("train", "digits_resnet:resnet8", "--out", ODD, "--steps", 1),
        ("sweep", "digits_resnet:resnet8", "--seeds", 1, "--out", ODD),
        ("compare", "run", "--out", f"{ODD}.png"),
        ("report", "run", "--out", f"{ODD}.html"),
        ("responses", "run", "--out", f"{ODD}.svg"),
        ("convert", "run", f"{ODD}.safetensors"),
        ("data", "pack", "images", ODD),
        ("data", "fetch", "cifar10", "--out", ODD),
    ],
    ids=lambda words: " ".join(map(str, words[:2])).encode("ascii", "replace").decode(),
)
def test_a_command_that_writes_refuses_a_name_that_is_not_utf8(cli, tmp_path, words):
    error = said(cli(*words), 2)
    assert "the name n\\udcff" in error
    assert "is not UTF-8" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["eval", "responses", "compare", "report"])
def test_a_run_below_such_a_name_is_not_called_damaged(cli, tmp_path, command):
    os.mkdir(tmp_path / ODD)
    (tmp_path / ODD / "run.json").write_text("{}")
    error = said(cli(command, tmp_path / ODD, *(("--out", tmp_path / "a.png") if command == "compare" else ())), 2)
    assert "is not UTF-8" in error

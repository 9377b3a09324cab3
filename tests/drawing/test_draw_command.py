"""`archspec draw` on the command line, and the pictures of the documentation."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_draw_writes_what_the_name_says_and_overwrites_nothing(cli, tmp_path):
    for name, begin in (("net.svg", "<svg"), ("net.mmd", "flowchart TB"), ("net.tex", "\\documentclass")):
        assert cli("draw", "digits_resnet", "--out", name).exit_code == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begin)
    refused = cli("draw", "digits_resnet", "--out", "net.svg", "--depth", 1)
    assert refused.exit_code == 2
    assert "net.svg exists" in refused.output
    assert cli("draw", "digits_resnet", "--out", "net.svg", "--depth", 1, "--force").exit_code == 0
    wrong = cli("draw", "digits_resnet", "--out", "net.bmp")
    assert wrong.exit_code == 2
    assert ".svg, .mmd, .tex, .png, .pdf" in wrong.output


def test_draw_gives_svg_on_the_standard_output(cli):
    alone, pair = cli("draw", "digits_resnet").stdout, cli("draw", "digits_resnet", "digits_resnet:plain8").stdout
    assert alone.startswith("<svg ")
    assert alone.endswith("</svg>\n")
    assert len(pair) > 1.5 * len(alone)


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_png_and_pdf_without_their_library_say_what_to_install(cli, monkeypatch, tmp_path, form):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    result = cli("draw", "digits_resnet", "--out", f"net.{form}")
    assert result.exit_code == 1
    assert f"{form} needs cairosvg, which is not installed" in result.output
    assert "[draw]" in result.output
    assert not list(tmp_path.iterdir())


def test_png_is_made_of_the_svg(cli, tmp_path):
    pytest.importorskip("cairosvg")
    assert cli("draw", "digits_resnet", "--out", "net.png").exit_code == 0
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")


def test_the_pictures_of_the_documentation_are_what_the_command_draws(cli):
    assert cli("draw", "resnet50", "--depth", 2).stdout == (DOCS / "resnet50.svg").read_text(encoding="utf-8")
    pair = cli("draw", "resnet34", "plain34", "--depth", 2).stdout
    assert pair == (DOCS / "resnet34-plain34.svg").read_text(encoding="utf-8")


def test_summary_diff_and_draw_take_a_run(cli, tmp_path):
    code = tmp_path / "runs" / "mine" / "code"
    code.mkdir(parents=True)
    (code / "spec.yaml").write_text(cli("show", "digits_resnet").stdout, encoding="utf-8")
    (code.parent / "run.json").write_text('{"backend": "torch"}')
    for command in ("summary", "draw"):
        assert cli(command, "runs/mine").stdout == cli(command, "digits_resnet").stdout
    assert cli("diff", "runs/mine", "digits_resnet").exit_code == 0

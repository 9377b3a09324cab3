"""Diagnostics as they are shown: carets, colours, JSON, SARIF, annotations of GitHub, and pages."""

import json
import os
import re
import subprocess
import sys

import pytest

import archspec
from archspec.diagnostics.codes import CODES, severity
from archspec.diagnostics.render import to_text
from conftest import REPO

PAGES = REPO / "docs" / "diagnostics"
FIXTURES = {path.stem: path for path in sorted((REPO / "tests" / "fixtures").glob("AS*.yaml"))}
NET = "archspec: 1\ninput: {size: 8}\nclasses: 10\nhead: [global_avg_pool, {linear: {out: classes}}]\n"


def codes_in(text: str) -> list[str]:
    return re.findall(r"^(?:error|warning)\[(AS\d+)\]", text, re.M)


@pytest.mark.parametrize(
    ("code", "offending"),
    [
        ("AS003", "classes"),
        ("AS004", "*head"),
        ("AS101", "stage"),
        ("AS104", "50"),
        ("AS105", "2"),
        ("AS106", "forward"),
        ("AS107", "conv1"),
        ("AS113", "Layer1"),
        ("AS202", "widht"),
        ("AS204", "width / 2"),
        ("AS301", "conf"),
        ("AS303", "strides"),
        ("AS306", "cnv1"),
        ("AS308", "100000"),
        ("AS309", "width * 2"),
        ("AS403", "32"),
        ("AS404", "linear"),
        ("AS405", "identity"),
        ("AS501", "41"),
        ("AS601", "digit"),
        ("AS602", "{value: 0.1}"),
        ("AS603", "digits"),
    ],
)
def test_carets_stand_under_the_offending_text(code, offending, cli):
    lines = cli("check", FIXTURES[code]).output.splitlines()
    row = next(index for index, line in enumerate(lines) if "^" in line)
    start, end = lines[row].index("^"), lines[row].rindex("^") + 1
    assert lines[row - 1][start:end] == offending


@pytest.mark.parametrize("code", FIXTURES)
def test_programs_read_code_line_and_column(code, cli):
    path = FIXTURES[code]
    (found,) = archspec.check(path)
    line, column = found.span.line + 1, found.span.column + 1

    (entry,) = json.loads(cli("check", path, "--format", "json").output)
    assert entry["severity"] == severity(code)
    assert (entry["code"], entry["title"], entry["message"]) == (code, CODES[code], found.message)
    assert (entry["file"], entry["line"], entry["column"]) == (str(path), line, column)

    log = json.loads(cli("check", path, "--format", "sarif").output)
    (run,) = log["runs"]
    (result,) = run["results"]
    (place,) = result["locations"]
    region = place["physicalLocation"]["region"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [result["ruleId"]] == [code]
    assert result["level"] == run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"] == severity(code)
    assert (region["startLine"], region["startColumn"]) == (line, column)
    assert (region["endLine"], region["endColumn"]) > (line, column)

    (command,) = cli("check", path, "--format", "github").output.splitlines()
    assert command.startswith(f"::{severity(code)} file={path},line={line},col={column},title={code}")


@pytest.mark.parametrize(
    ("line", "before", "marks"),
    [
        ("stem: [{a: 日本}]", "stem: [{a: ", 4),
        ("stem: [{'日本': relu}, {b: nothing}]", "stem: [{'日本': relu}, {b: ", 7),
        ("doc: {e\u0301: 1}", "doc", 3),
        ("stem: [{e\u0301: relu}, {b: nothing}]", "stem: [{e: relu}, {b: ", 7),
        ("stem: [{b:\tnothing}]", "stem: [{b: ", 7),
    ],
)
def test_carets_stand_under_wide_characters_and_after_tabs(line, before, marks, spec):
    wide = sum(character in "日本" for character in before)  # each takes two columns of a terminal
    found = [d for d in archspec.check(spec(NET + line + "\n")) if d.code != "AS106"]
    shown, carets = to_text(found).splitlines()[3:5]
    start = len("  6 | ") + (0 if before == "doc" else len(before) + wide)
    assert "\t" not in shown
    assert carets == "    |".ljust(start) + "^" * marks


def test_clean_specs_are_clean_in_every_format(cli, spec):
    path = spec(NET)
    outputs = {name: cli("check", path, "--format", name) for name in ("text", "json", "sarif", "github")}
    assert {result.exit_code for result in outputs.values()} == {0}
    assert outputs["text"].output == "1 spec without errors\n"
    assert json.loads(outputs["json"].output) == []
    assert json.loads(outputs["sarif"].output)["runs"][0]["results"] == []
    assert outputs["github"].output == ""


def test_file_names_and_keys_with_punctuation_do_not_break_annotations(cli, spec):
    path = spec(NET + 'name: net\n"a: b,\\n::error::c": 1\n', "a,b%.yaml")
    (command,) = cli("check", path, "--format", "github").output.splitlines()
    assert re.match(r"::error file=[^:,]*a%2Cb%25\.yaml,line=6,col=1,title=AS101%3A unknown key::", command)


def test_places_in_sarif_are_uris_of_files_or_no_files(spec, cli, monkeypatch):
    def place(*arguments):
        (result,) = json.loads(cli("check", *arguments, "--format", "sarif").output)["runs"][0]["results"]
        return result["locations"][0]

    path = spec(NET + "name: net\nstage: []\n", "a net/100%/é.yaml")
    uri = place(path)["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == path.as_uri()
    assert uri.endswith("/a%20net/100%25/%C3%A9.yaml")
    monkeypatch.chdir(path.parent)
    assert place(path.name)["physicalLocation"]["artifactLocation"]["uri"] == "%C3%A9.yaml"
    assert place("resnet18", "--set", "clases=3") == {
        "logicalLocations": [{"fullyQualifiedName": "--set clases=3"}]
    }
    assert place("resnet55") == {"logicalLocations": [{"fullyQualifiedName": "resnet55"}]}


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_terminals_get_colours_unless_no_color_is_set(no_color, coloured):
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment |= {} if no_color is None else {"NO_COLOR": no_color}
    terminal, its_end = os.openpty()
    command = [sys.executable, "-c", "from archspec_cli.main import main; main()", "check", FIXTURES["AS101"]]
    subprocess.run(command, stdout=its_end, env=environment, timeout=60)
    os.close(its_end)
    output = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "unknown key `stage`" in output
    assert ("\x1b[" in output) == coloured


def test_files_get_no_colours(process):
    assert "\x1b" not in process("check", FIXTURES["AS101"]).stdout


@pytest.mark.parametrize("code", CODES)
def test_explain_prints_the_page(code, cli):
    for spelling in (code, code.lower()):
        result = cli("explain", spelling)
        assert (result.exit_code, result.output) == (0, (PAGES / f"{code}.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("unknown", "help_"),
    [("AS40", "here from AS401 to AS4"), ("shapes", "such as AS405, conv, bottleneck or train.lr")],
)
def test_explain_of_an_unknown_code_helps(unknown, help_, cli):
    result = cli("explain", unknown)
    assert result.exit_code == 2
    assert f"there is no diagnostic, operation, block or key '{unknown}'" in result.output
    assert help_ in result.output

"""Specs without a file: YAML text and mappings in Python, the standard input on the command line."""

import json
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import archspec
from archspec.diagnostics import Diagnostics
from archspec.loading.given_text import as_text
from archspec.syntax.reader import read_text
from runs import said

TEXT = """archspec: 1
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3}}}, norm, act]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""
MAPPING = {
    "archspec": 1, "input": {"channels": 1, "size": (8, 8)}, "classes": 10,
    "stem": [{"conv1": {"conv": {"out": 8, "kernel": 3}}}, "norm", "act"],
    "head": ["global_avg_pool", {"fc": {"linear": {"out": "classes"}}}],
}  # fmt: skip


def test_text_and_mappings_are_the_net_of_their_file(tmp_path):
    (tmp_path / "net.yaml").write_text(TEXT)
    nets = [archspec.load(spec) for spec in (tmp_path / "net.yaml", TEXT, MAPPING)]
    assert len({net.fingerprint for net in nets}) == 1
    assert {net.name for net in nets} == {"net"}
    assert archspec.load(TEXT, set={"classes": 3}).classes == 3
    assert archspec.load({"archspec": 1, "extends": "resnet18", "classes": 7}).classes == 7
    assert archspec.load("{archspec: 1, extends: resnet18, classes: 7}").classes == 7
    assert archspec.check(MAPPING) == ()


def test_what_text_extends_is_looked_for_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "base.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert archspec.load("archspec: 1\nextends: base.yaml\nclasses: 4\n").classes == 4
    (mistake,) = archspec.check("archspec: 1\nextends: gone.yaml\n")
    assert mistake.code == "AS110"


@pytest.mark.parametrize(
    ("spec", "place", "code"),
    [
        (TEXT + "stag: 3\n", "<text>:6:1", "AS101"),
        ({**MAPPING, "clases": 3}, "<text>:20:1", "AS101"),
        ({**MAPPING, "name": "1e3"}, "<text>:20:7", "AS106"),
        ({**MAPPING, "classes": "ten"}, "<text>:7:10", "AS202"),
        ("{archspec: 1", "<text>:2:1", "AS002"),
    ],
)
def test_mistakes_are_shown_in_the_text_that_they_are_in(spec, place, code):
    found = archspec.check(spec)
    assert (code, place) in {(d.code, str(d.span)) for d in found}


@pytest.mark.parametrize("spec", [3, None, ["resnet18"], {"archspec": 1, "doc": object()}])
def test_what_is_no_spec_is_said_so(spec):
    with pytest.raises(TypeError, match="a spec"):
        archspec.load(spec)


def test_a_file_whose_name_has_two_lines_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a\nb.yaml", "{c.yaml"):
        (tmp_path / name).write_text(TEXT.replace("10", "3"))
        assert archspec.load(name, set={"name": "net"}).classes == 3


WORDS = st.text(max_size=12).filter(lambda text: text.isprintable())
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(WORDS, PLAIN, min_size=1, max_size=4))
@example({"<<": None})
def test_a_mapping_is_read_back_as_it_was_given(mapping):
    """Whatever words look like numbers, booleans or dates to some version of YAML."""
    problems = Diagnostics()
    node = read_text(as_text(mapping), "<text>", problems)
    assert not problems.errors
    assert node.plain() == mapping


def test_emitted_files_write_themselves_and_a_net_has_its_table(tmp_path):
    net = archspec.load(MAPPING)
    archspec.emit(net, "torch").write(tmp_path / "built")
    assert (tmp_path / "built/model.py").is_file()
    lines = net.summary().splitlines()
    assert lines[0] == "net: 1x8x8 images"
    assert lines[3].split() == ["conv1", "conv", "3x3", "8x8x8", "72", "4,608"]
    assert repr(net.summary()) == str(net.summary())
    assert f"{net.cost.params:,} parameters" in lines[-1]


def test_the_standard_input_is_checked(cli):
    command = [sys.executable, "-m", "archspec_cli", "check", "-"]

    def check(text, *options):
        return subprocess.run([*command, *options], input=text, capture_output=True, check=False)

    assert check(TEXT.encode()).stdout == b"1 spec without errors\n"
    wrong = check((TEXT + "stag: 3").encode(), "--format", "json")
    assert wrong.returncode == 1
    assert [entry["code"] for entry in json.loads(wrong.stdout)] == ["AS101"]
    assert b"is not UTF-8" in check(b"\xff\xfe").stderr
    assert "no file that could be mended" in said(cli("check", "-", "--fix"), 2)

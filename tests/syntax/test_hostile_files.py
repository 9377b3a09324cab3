"""Files that are hostile or no YAML at all are refused fast, in little memory, at the place where they go wrong."""

import os
import resource
import subprocess
import sys
import time

import pytest

import archspec
from mistaken import NET

FILES = {
    "empty file": b"",
    "only comments": b"# nothing\n",
    "a list": b"- a\n- b\n",
    "a number": b"42\n",
    "UTF-16": "archspec: 1\n".encode("utf-16"),
    "Latin-1": "doc: é\n".encode("latin-1"),
    "binary": bytes(range(256)),
    "NUL bytes": b"\0" * 100,
    "tabs": b"\t\t\n",
    "10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "20,000 deep, indented": b"".join(b"- " * 1 for _ in range(20_000)),
    "flow maps deep": b"{a: " * 20_000,
    "billion laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(12)),
    "alias chain": b"a: &a {k: 1}\n" + b"".join(b"b%d: [*a, *a]\n" % i for i in range(30_000)),
    "50 MB": b"a: b\n" * (10 << 20),
    "long line": b"a: " + b"x" * 900_000,
    "many keys": b"".join(b"k%d: 1\n" % i for i in range(60_000)),
}


@pytest.mark.parametrize("case", FILES)
def test_hostile_files_are_refused_fast_and_small(case, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_bytes(FILES[case])
    code = "from archspec_cli.main import main; main()"
    start = time.perf_counter()
    limit = 400 << 20  # of address space; an empty interpreter with the libraries takes less than half of it
    done = subprocess.run(
        [sys.executable, "-c", code, "check", str(path)],
        capture_output=True, text=True, timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "error[AS" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stdout) < 5_000
    assert time.perf_counter() - start < 10, "refused long before the whole file is looked at"


SYNTAX = {
    "brace that is not closed": (NET.replace("classes}}}]", "classes}}]"), (5, 54), "close the `{` of line 5, column 25"),
    "bracket that is not closed": ("stem: [relu, {a: relu}\n" + NET, (3, 1), "close the `[` of line 1, column 7"),
    "comma that is missing": (NET.replace("8, kernel", "8 kernel"), (4, 29), "put a `,` between its items"),
    "colon that is missing at the end": (NET + "shortcut none\n", (6, 1), "write `key: value`"),
    "colon that is missing": (NET.replace("classes: 4", "classes 4"), (3, 1), "write `key: value`"),
    "colon that is missing in a line": (NET.replace("input:", "input"), (2, 25), "a `:` is missing"),
    "colon too many": (NET + "doc: a: b\n", (6, 7), "in quotes"),
    "text in braces": (NET + "name: {n}-net\n", (6, 10), "put text that begins with `{` or `[` in quotes"),
    "doubled braces": (NET + "name: {{n}}\n", (6, 8), "text that begins with one stands in quotes"),
    "quote that is not closed": (NET + 'doc: "abc\n', (6, 6), "close the quote that begins here"),
    "sign of YAML": (NET + "doc: @abc\n", (6, 6), "in quotes"),
    "unknown escape": (NET + 'doc: "a\\d"\n', (6, 8), "use single quotes"),
    "key in another column": (NET + " doc: net\n", (6, 2), "in one column"),
    "control character": (NET + "doc: \"é\u200bé\x07\"\n", (6, 10), "remove it"),
    "NUL": (NET + 'doc: "a\0b"\n', (6, 8), "remove it"),
    "Latin-1": ((NET + "doc: a é\n").encode("latin-1"), (6, 8), "save the file as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", SYNTAX)
def test_what_is_not_yaml_is_said_where_it_is_with_what_began_before(case, tmp_path):
    text, place, word = SYNTAX[case]
    path = tmp_path / "net.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = archspec.check(path)
    assert (found.span.line + 1, found.span.column + 1) == place
    assert word in found.help


def test_devices_and_pipes_are_not_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", "/dev/zero", tmp_path):
        assert [d.code for d in archspec.check(path)] in (["AS001"], ["AS110"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_in_a_folder_of_specs_is_named_and_not_waited_for(process, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    done = process("check", ".", "--fix")
    assert (done.returncode, "`pipe.yaml` is not a regular file" in done.stdout) == (1, True)

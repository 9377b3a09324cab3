"""`archspec play` at the command line: what it opens, its messages, its address and its end."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("starlette", reason="the playground needs the extra `play`")


@pytest.fixture
def taken():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield str(sock.getsockname()[1])


def test_a_port_that_is_taken_and_a_file_that_is_missing_are_one_line_each(cli, taken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("play", "resnet18", "--port", taken, "--no-open")
    assert done.exit_code == 2
    assert f"error: port {taken} is taken" in done.stderr
    done = cli("play", "gone.yaml", "--no-open")
    assert done.exit_code == 2
    assert "gone.yaml" in done.stderr
    Path("latin.yaml").write_bytes(b"archspec: 1\nname: caf\xe9\n")
    done = cli("play", "latin.yaml", "--no-open")
    assert done.exit_code == 2
    assert "UTF-8" in done.stderr
    Path("long.yaml").write_text("archspec: 1\n" + "# more\n" * 200_000)
    done = cli("play", "long.yaml", "--no-open")
    assert done.exit_code == 2
    assert "longer than a spec may be" in done.stderr


def test_without_the_extra_it_says_how_to_install_it(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = cli("play", "--no-open")
    assert done.exit_code == 1
    assert "error: `archspec play` needs uvicorn, which is not installed" in done.stderr
    assert "play]" in done.stderr


def test_it_prints_its_address_and_ctrl_c_ends_it_at_once(tmp_path):
    chosen = ("--preset", "a3", "--set", "classes=10")
    command = [sys.executable, "-m", "archspec", "play", "resnet50", *chosen, "--no-open"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = urlsplit(process.stdout.readline().strip())
        assert address.hostname == "127.0.0.1"
        with closing(HTTPConnection(address.hostname, address.port, timeout=30)) as connection:
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("server")) == (403, None)
            assert answer.read().startswith(b"refused: ")
            connection.request("POST", f"{address.path}start", "{}", {"content-type": "application/json"})
            begun = json.loads(connection.getresponse().read())
            assert (begun["name"], begun["preset"], begun["values"]) == ("resnet50", "a3", {"classes": "10"})
            process.send_signal(signal.SIGINT)  # while a connection is open
            assert process.wait(10) in (-signal.SIGINT, 130)
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_a_zoo_name_a_preset_and_a_member_of_a_family_are_opened(monkeypatch):
    from archspec_cli.commands.play import _opened

    assert (_opened("resnet50:paper").name, _opened("resnet50:paper").preset) == ("resnet50", "paper")
    assert (_opened("densenet121").name, _opened("densenet121").preset) == ("densenet", "densenet121")
    assert _opened("http://127.0.0.1:1/t/#v1=abc").fragment == "v1=abc"
    assert json.dumps(_opened(None).text).count("archspec: 1") == 1
    assert _opened("resnet50").file is None, "the zoo's own files are not written"

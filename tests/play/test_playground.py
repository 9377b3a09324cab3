"""The playground's answers and refusals, asked as its page asks and as others would."""

import json
import os
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

from archspec.loading import zoo
from archspec_play.app import application
from archspec_play.guard import MOST
from archspec_play.opened import Opened
from archspec_play.units import Units
from asgi import Client

TOKEN, HOST = "a-token", "127.0.0.1:8000"
SPEC = """\
archspec: 1
args: {n: 1, act: relu, wide: false}
presets: {deep: {n: 5}}
input: {channels: 3, size: 32}
classes: 10
act: $act
stem: [conv1: {conv: {out: 16, kernel: 3}}, bn1: norm, relu: act]
blocks:
  mine: {args: {width: int}, body: [{conv: {out: width, kernel: 3}}, norm, act]}
stages:
  - {name: layer1, block: mine, repeat: n, width: "32 if wide else 16"}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {recipe: cifar_resnet}
"""


def playground(opened):
    return Client(application(opened, TOKEN, {HOST, "localhost:8000"}), HOST)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return playground(Opened("tiny", SPEC, folder=tmp_path_factory.mktemp("play")))


def ask(client, name, **question):
    body = json.dumps({"page": "one", **question}).encode()
    answer = client.post(f"/{TOKEN}/{name}", body, {"origin": f"http://{HOST}"})
    assert answer.status == 200, answer.text
    return answer.json()


# --- who is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/{TOKEN}/", {}, 200),
        (f"/{TOKEN}/", {"host": "localhost:8000"}, 200),
        (f"/{TOKEN}/", {"sec-fetch-site": "none"}, 200),
        ("/", {}, 403),
        ("/another-token/", {}, 403),
        (f"/{TOKEN}x/", {}, 403),
        ("/t%C3%B6ken/", {}, 403),
        ("/play.js", {}, 403),
        (f"/{TOKEN}/", {"host": "evil.example"}, 403),
        (f"/{TOKEN}/", {"host": "evil.example:8000"}, 403),
        (f"/{TOKEN}/", {"host": "127.0.0.1"}, 403),
        (f"/{TOKEN}/", {"origin": "http://evil.example"}, 403),
        (f"/{TOKEN}/", {"origin": "null"}, 403),
        (f"/{TOKEN}/", {"origin": "http://127.0.0.1:9000"}, 403),
        (f"/{TOKEN}/", {"sec-fetch-site": "cross-site"}, 403),
        (f"/{TOKEN}/", {"sec-fetch-site": "same-site"}, 403),
        (
            f"/{TOKEN}/",
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
            403,
        ),
        (
            f"/{TOKEN}/",
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
            200,
        ),
        (f"/{TOKEN}/../../pyproject.toml", {}, 404),
        (f"/{TOKEN}/app.py", {}, 404),
    ],
)
def test_the_page_is_for_this_machine_under_its_own_name_with_its_token(page, path, headers, status):
    answer = page.get(path, headers=headers)
    assert answer.status == status
    assert (SPEC in answer.text) is False
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_address_without_its_last_slash_leads_to_the_page(page):
    answer = page.get(f"/{TOKEN}")
    assert (answer.status, answer.headers["location"]) == (307, f"/{TOKEN}/")
    assert page.get("/other").status == 403


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"origin": "http://evil.example"}, b"{}", 403),
        ({"host": "evil.example:8000"}, b"{}", 403),
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"content-type": "application/x-www-form-urlencoded"}, b"text=x", 415),
        ({"content-length": "-1"}, b"{}", 411),
        ({"content-length": str(MOST + 1)}, b"{}", 413),
        ({}, b"[]", 400),
        ({}, b"{", 400),
        ({}, b'{"page": "one", "text": 5}', 400),
        ({}, b'{"page": "one", "text": "", "values": {"n": 3}}', 400),
        ({}, b'{"page": "one", "text": "", "views": {"secrets": {}}}', 400),
        ({}, b"[" * 100_000, 400),
    ],
)
def test_a_question_that_no_page_of_the_playground_asks_is_refused(page, headers, body, status):
    answer = page.post(f"/{TOKEN}/look", body, headers)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("refused: ")


def test_other_methods_are_refused_and_what_is_asked_needs_a_post(page):
    assert page.request("PUT", f"/{TOKEN}/look").status == 405
    assert page.request("OPTIONS", f"/{TOKEN}/look").status == 405
    assert page.get(f"/{TOKEN}/save").status == 405


def test_the_page_asks_nobody_else_and_its_styles_are_of_one_answer(page):
    first, second = (page.get(f"/{TOKEN}/") for _ in range(2))
    assert "//" not in first.text.replace("<!doctype", "")
    assert first.headers["content-security-policy"] != second.headers["content-security-policy"]
    for name in ("play.js", "play.css", "icon.svg", "licenses.txt"):
        assert page.get(f"/{TOKEN}/{name}").status == 200


# --- what it answers -----------------------------------------------------------------------------------


def test_what_is_said_beside_the_text(page):
    found = ask(page, "look", text=SPEC)
    assert found["diagnostics"] == []
    assert found["current"]
    assert [step["names"] for step in found["steps"]][:3] == [["conv1"], ["bn1"], ["relu"]]
    assert any(hint["text"].startswith("16×32×32") for hint in found["hints"])
    assert found["presets"] == ["deep"]
    told = {each["name"]: (each["sort"], each["value"], each["low"], each["high"]) for each in found["arguments"]}
    assert told["n"] == ("number", 1, 1, 5)
    assert told["wide"][:2] == ("flag", False)
    assert told["input.size"][1] == 32


def test_a_mistake_has_its_place_and_its_fix_which_mends_it(page):
    text = f"# \U0001f600\n{SPEC.replace('kernel: 3}}, bn1', 'kernl: 3}}, bn1')}"
    found = ask(page, "look", text=text)
    (mistake,) = found["diagnostics"]
    units = text.encode("utf-16-le")
    assert units[2 * mistake["from"] : 2 * mistake["to"]].decode("utf-16-le") == "kernl"
    for edit in mistake["fix"]["edits"]:
        units = units[: 2 * edit["from"]] + edit["insert"].encode("utf-16-le") + units[2 * edit["to"] :]
    assert ask(page, "look", text=units.decode("utf-16-le"))["diagnostics"] == []
    assert not found["current"]


def test_what_is_chosen_is_what_is_shown_and_what_the_command_line_says(page):
    before = ask(page, "look", text=SPEC)["net"]["params"]
    chosen = ask(page, "look", text=SPEC, preset="deep", values={"wide": "true"}, views={"table": {}})
    assert chosen["net"]["params"] > before
    assert chosen["options"] == "tiny --preset deep --set wide=true"
    assert next(row for row in chosen["views"]["table"]["rows"] if row["path"] == "layer1")["what"] == "5 blocks"
    assert ask(page, "look", text=SPEC)["net"]["params"] == before


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"values": {"n": "many"}}, "--set n=many"),
        ({"values": {"n": "["}}, "--set n=["),
        ({"values": {"gone": "1"}}, "--set gone=1"),
        ({"preset": "gone"}, ""),
    ],
)
def test_a_value_that_cannot_be_is_a_mistake_that_says_where_it_stands(page, chosen, told):
    found = ask(page, "look", text=SPEC, **chosen)
    assert found["diagnostics"][0]["where"] == told
    assert not found["current"]


@pytest.mark.parametrize(
    "text", ["", "archspec: 1", "archspec: [", "\u2028{", "a\x00b", "- 1", "\ud800: 1", f"{SPEC}\ud83d", SPEC[:200]]
)
def test_any_text_has_an_answer(page, text):
    found = ask(page, "look", text=text, views={"picture": {}, "table": {}, "code": {}})
    assert isinstance(found["diagnostics"], list)
    ask(page, "complete", text=text, offset=len(text))
    ask(page, "hover", text=text, offset=10_000)


def test_completion_and_hover_at_a_place(page):
    text = SPEC.replace("kernel: 3}}, bn1", "k}}, bn1")
    offset = text.index("k}}, bn1") + 1
    found = ask(page, "complete", text=text, offset=offset)
    kernel = next(item for item in found["items"] if item["label"] == "kernel")
    assert (found["from"], found["to"], kernel["insert"]) == (offset - 1, offset, "kernel: ")
    about = ask(page, "hover", text=SPEC, offset=SPEC.index("layer1"))
    assert "**16x32x32**" in about["text"]


def test_a_definition_is_here_or_in_a_file_that_comes_along(page):
    text = SPEC.replace("block: mine", "block: basic")
    assert ask(page, "define", text=SPEC, offset=SPEC.index("block: mine") + 8) == {"from": SPEC.index("mine:")}
    elsewhere = ask(page, "define", text=text, offset=text.index("block: basic") + 8)
    assert elsewhere["title"] == "basic.yaml"
    assert "body" in elsewhere["text"]
    assert ask(page, "define", text=SPEC, offset=0) is None


def test_a_code_is_explained_and_others_are_not(page):
    assert ask(page, "explain", code="AS303")["markdown"].startswith("# AS303")
    assert ask(page, "explain", code="../../README") is None


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "unet"])
def test_a_spec_that_is_being_written_has_an_answer_at_each_point(page, name):
    text = (zoo.folder() / f"{name}.yaml").read_text()
    for length in range(0, len(text), len(text) // 12):
        some = text[:length]
        found = ask(
            page, "look", text=some, views={"table": {}, "code": {}, "picture": {"depth": 1}, "schedule": {}}
        )
        places = [(each["from"], each["to"]) for each in (*found["diagnostics"], *found["steps"])]
        assert all(0 <= start <= end <= length for start, end in places)
        among = [
            step for steps in found.get("views", {}).get("code", {}).get("lines", {}).values() for step in steps
        ]
        assert all(step < len(found["steps"]) for step in among)


def test_the_table_counts_what_the_network_has(page):
    found = ask(page, "look", text=SPEC, views={"table": {}})
    table = found["views"]["table"]
    assert (
        sum(row["params"] for row in table["rows"] if row["depth"] == 0)
        == table["params"]
        == found["net"]["params"]
    )
    assert {"layer1", "layer1.0", "layer1.0.conv"} <= {row["path"] for row in table["rows"]}


def test_the_picture_is_a_tree_of_few_elements_with_a_path_for_each_box(page):
    text = SPEC.replace("archspec: 1", 'archspec: 1\nname: "x"\ndoc: "<script>alert(1)</script>"')
    tree = ask(page, "look", text=text.replace('name: "x"', "name: x"), views={"picture": {"depth": 3}})["views"][
        "picture"
    ]["tree"]
    names, paths = set(), set()

    def visit(node):
        name, attributes, inner = node
        names.add(name)
        paths.add(attributes.get("data-path"))
        for each in inner:
            if not isinstance(each, str):
                visit(each)

    visit(tree)
    assert names <= {"svg", "g", "title", "rect", "path", "text", "tspan"}
    assert {"layer1", "layer1.0.conv", "fc"} <= paths


@pytest.mark.parametrize(
    ("backend", "line"), [("torch", "self.fc = nn.Linear"), ("flax", "self.fc = "), ("onnx", "[fc]")]
)
def test_lines_of_code_lead_to_their_steps_and_back(page, backend, line):
    if backend == "onnx":
        pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    found = ask(page, "look", text=SPEC, views={"code": {"backend": backend}})
    code, steps = found["views"]["code"], found["steps"]
    lines = code["text"].splitlines()
    of = {
        number: [SPEC[steps[step]["from"] : steps[step]["to"]] for step in among]
        for number, among in code["lines"].items()
    }
    number = next(str(n) for n, text in enumerate(lines) if line in text)
    assert any("fc: {linear" in text for text in of[number])
    conv = [int(n) for n, texts in of.items() if any(text.startswith("{conv: {out: width") for text in texts)]
    assert conv, "a step of a block is the lines of its class"
    if backend != "onnx":
        (first, last) = next((first, last) for first, last, _ in code["classes"] if "class Mine" in lines[first])
        assert all(first < n <= last for n in conv)
        assert lines[conv[0]].strip().startswith("self.conv = ")


def difference(page, text, other):
    return ask(page, "look", text=text, views={"difference": {"other": other}})["views"]["difference"]


def test_a_network_is_compared_with_its_twin_its_former_text_and_others(page):
    residual = SPEC.replace("block: mine", "block: basic").replace(
        "act: $act", "act: $act\nshortcut: identity_or_none"
    )
    twin = difference(page, residual, "shortcut: none")
    assert twin["names"] == ["tiny without shortcuts", "tiny"]
    assert any(line.startswith("+ ") and "add" in line for line in twin["lines"])
    assert difference(page, SPEC, "as it was opened")["same"]
    wider = difference(page, SPEC.replace("classes: 10", "classes: 11"), "as it was opened")
    assert wider["costs"][0] == {"name": "parameters", "before": 2970, "after": 2987}, (
        "a row of 16 weights and a bias"
    )
    assert difference(page, SPEC, "resnet18")["names"] == ["resnet18", "tiny"]
    assert difference(page, SPEC, "resnet81")["lacking"][0]["help"] == "did you mean `resnet18`?"
    for odd in ("", "a/b", "..", "gone.yaml", "\x00", "archspec: 1\n"):
        assert difference(page, SPEC, odd)["lacking"]


def test_the_schedule_is_that_of_the_recipe(page):
    found = ask(page, "look", text=SPEC, views={"schedule": {}})["views"]["schedule"]
    assert (found["total"], found["steps"][0], found["steps"][-1]) == (64_000, 0, 63_999)
    assert (max(found["rates"]), found["rates"][-1]) == (0.1, 0.001)
    assert len(found["steps"]) == len(found["rates"])
    none = ask(page, "look", text=SPEC.replace("train:", "# train:"), views={"schedule": {}})["views"]["schedule"]
    assert "no `train`" in none["lacking"][0]["message"]


def test_a_backend_without_its_package_says_what_to_install(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [
        name for name in sys.modules if name.startswith("archspec_onnx.") and name != "archspec_onnx.backend"
    ]:
        monkeypatch.delitem(sys.modules, name)
    found = ask(page, "look", text=SPEC, views={"code": {"backend": "onnx"}})["views"]["code"]
    assert "onnx" in found["lacking"][0]["message"]
    assert "pip install" in found["lacking"][0]["help"]


def test_pages_do_not_see_each_other(page):
    one = ask(page, "look", page="left", text=SPEC)
    other = ask(page, "look", page="right", text=SPEC.replace("out: 16", "out: 64", 1))
    assert one["net"]["params"] != other["net"]["params"]
    assert ask(page, "look", page="left", text=SPEC) == one


# --- the file ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("text", ["plain", "a\U0001f600b\U0001f600", "\U0001f600"])
def test_places_are_counted_as_browsers_do_and_back(text):
    units = Units.of(text)
    for offset in range(len(text) + 1):
        out = len(text[:offset].encode("utf-16-le")) // 2
        assert (units.out(offset), units.into(out)) == (out, offset)


# --- the command ---------------------------------------------------------------------------------------


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

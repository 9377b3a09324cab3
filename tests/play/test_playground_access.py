"""Who may ask the playground, and what it is asked: this machine's page alone, and questions that it asks."""

import pytest

pytest.importorskip("starlette", reason="the playground needs the extra `play`")

from archspec_play.guard import MOST
from archspec_play.opened import Opened
from playgrounds import SPEC, TOKEN, playground


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return playground(Opened("tiny", SPEC, folder=tmp_path_factory.mktemp("play")))


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

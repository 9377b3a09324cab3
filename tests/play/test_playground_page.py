"""The page in a real browser: write, see, fix, choose, read, share, save."""

import re

import pytest

from browsers import pages, served

pytestmark = pytest.mark.long
pytest.importorskip("uvicorn", reason="the extra `play` is not installed")

SPEC = """\
archspec: 1
args: {n: 1}
input: {channels: 3, size: 32}
classes: 10
shortcut: identity_or_none
stem: [conv1: {conv: {out: 16, kernel: 3}}, bn1: norm, relu: act]
stages:
  - {name: layer1, block: basic, repeat: n, width: 16}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


@pytest.fixture(scope="module")
def browser():
    with pages() as new:
        yield new


def placed(page, text, after=""):
    """Put the cursor in front of a text of the editor, by the keyboard: the editor's search is not the page's."""
    page.evaluate(
        """([text, after]) => {
          const view = window.play.editor, all = view.text, from = after ? all.indexOf(after) : 0;
          view.goTo(all.indexOf(text, from));
        }""",
        [text, after],
    )


def settled(page):
    """Wait until all that can be seen is of the text as it is now."""
    page.wait_for_function(
        "() => { const p = window.play; return !p.asking && p.key === JSON.stringify(p.spec()); }"
    )


def test_a_mistake_is_seen_fixed_and_the_code_follows_a_slider_and_a_share(browser, tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    with served("tiny.yaml", cwd=tmp_path) as address:
        watched = browser(viewport={"width": 1440, "height": 900})
        page = watched.open(address)
        page.wait_for_selector("#codes .cm-content >> text=class Tiny")
        assert "params" in page.locator(".cm-hint").first.inner_text()

        # type a mistake, and see it: in the text, in the list, and that what is beside is of the text before
        placed(page, "kernel")
        for _ in range(6):
            page.keyboard.press("Delete")
        page.keyboard.type("kernl")
        page.keyboard.press("Escape")
        page.wait_for_selector("#problems >> text=1 error")
        assert "kernl" in page.locator("#problems li").inner_text()
        assert page.locator("#editor .cm-lintRange-error").inner_text() == "kernl"
        assert "stale" in page.locator("body").get_attribute("class")

        # what was not looked at before is there all the same, as it was before the error
        page.get_by_role("tab", name="Modules").click()
        page.wait_for_selector("#views tr >> text=layer1")
        page.get_by_role("tab", name="Picture").click()

        # what it means
        page.get_by_role("button", name="error AS303").click()
        page.wait_for_selector("dialog h3 >> text=AS303: unknown argument")
        page.keyboard.press("Escape")
        page.locator("#problems .link").first.click()

        # its fix, by the keyboard
        page.keyboard.press("Control+.")
        page.wait_for_selector("#problems >> text=No problems")
        assert "kernel: 3" in page.evaluate("window.play.editor.text")

        # the lines of the step under the cursor are marked, and a line of code marks its step
        placed(page, "{name: layer1")
        page.wait_for_selector("#codes .cm-step >> text=self.layer1 = ")
        assert page.locator("#codes .cm-class >> text=class BasicBlock").count() == 1
        assert page.locator("#here").inner_text().startswith("layer1: 16x32x32")
        placed(page, "basic, repeat")
        page.keyboard.press("F12")
        page.wait_for_selector("dialog >> text=basic.yaml")
        page.keyboard.press("Escape")
        page.locator("#codes .cm-line >> text=self.fc = ").click()
        page.wait_for_selector("#editor .cm-step >> text=fc")

        # a slider
        slider = page.locator("[id='set-n-slider']")
        slider.focus()
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        page.wait_for_selector("#codes .cm-content >> text=range(3)")
        settled(page)
        assert page.locator("#choices .options").inner_text().endswith("--set n=3")
        page.get_by_role("tab", name="Flax").click()
        page.wait_for_selector("#codes .panel:not([hidden]) .cm-step >> text=self.fc = ")
        page.get_by_role("tab", name="Modules").click()
        assert page.locator("#views tr", has_text="layer1").first.inner_text().split("\t")[1] == "3 blocks"

        # what differs from the text as it was opened: the slider's blocks
        page.get_by_role("tab", name="Difference").click()
        page.get_by_label("Compare with", exact=True).select_option("as it was opened")
        page.wait_for_selector(".compared .lines >> text=~ basic: repeat 1 -> 3")
        page.get_by_role("tab", name="Schedule").click()
        page.wait_for_selector(".rated .lacking >> text=no `train`")

        # lines begin below each other, and deeper below a key
        before = page.evaluate("window.play.editor.text")
        page.evaluate("window.play.editor.replace('')")
        page.wait_for_selector("#problems >> text=the file is empty")
        page.locator("#editor .cm-content").click()
        for line in ("stem:", "- conv1:", "conv: {out: 3,", "kernel: 3}"):
            page.keyboard.type(line)
            page.keyboard.press("Escape")
            page.keyboard.press("Enter")
        lines = page.evaluate("window.play.editor.text").splitlines()
        assert lines[:3] == ["stem:", "  - conv1:", "      conv: {out: 3,"]
        page.evaluate("text => window.play.editor.replace(text)", before)
        settled(page)

        # share, and open what was shared, here and by the command
        page.get_by_role("button", name="Share").click()
        page.wait_for_function("() => location.hash.startsWith('#v1=')")
        shared = page.evaluate("location.href")
        again = watched.open(shared)
        settled(again)
        assert again.locator("[id='set-n']").input_value() == "3"
        assert watched.complaints == []
        assert watched.hosts == {address.split("/")[2]}
    with served(shared, cwd=tmp_path) as address:
        page = browser().open(address)
        assert page.evaluate("window.play.editor.text") == SPEC
        assert page.locator("[id='set-n']").input_value() == "3"


def test_the_file_is_written_when_asked_and_never_over_changes_of_others(browser, tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_bytes(SPEC.replace("\n", "\r\n").encode())
    with served("tiny.yaml", cwd=tmp_path) as address:
        page = browser().open(address)
        placed(page, "classes: 10")
        page.keyboard.type("# mine\n")
        settled(page)
        assert b"# mine" not in spec.read_bytes()
        page.keyboard.press("Control+s")
        page.wait_for_selector("#notice >> text=Saved")
        assert spec.read_bytes() == SPEC.replace("classes", "# mine\nclasses", 1).replace("\n", "\r\n").encode()
        spec.write_text(theirs := SPEC.replace("classes: 10", "classes: 12"))
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#notice >> text=was changed since")
        assert spec.read_text() == theirs
        page.get_by_role("button", name="Take the file's text").click()
        page.wait_for_function("() => window.play.editor.text.includes('classes: 12')")


MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_no_text_of_a_spec_becomes_markup(browser, tmp_path):
    text = SPEC.replace("archspec: 1", f'archspec: 1\ndoc: "{MARKUP}"\n"{MARKUP}": 1').replace(
        "conv1:", f'"{MARKUP}":'
    )
    (tmp_path / "tiny.yaml").write_text(text)
    with served("tiny.yaml", cwd=tmp_path) as address:
        watched = browser()
        dialogs = []
        watched.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page = watched.open(address)
        page.wait_for_selector("#problems li")
        assert MARKUP in page.locator("#problems").inner_text()
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
        assert dialogs == []
        refused = page.evaluate(
            "() => { try { document.body.innerHTML = '<b>x</b>'; return ''; } catch (e) { return e.name; } }"
        )
        assert refused == "TypeError", "the policy has browsers refuse markup, whoever writes it"


NAMED = (
    ("textbox", "Spec, in YAML"),
    ("tab", "Picture"),
    ("tab", "PyTorch"),
    ("slider", "n, slider"),
    ("button", "Share"),
    ("img", re.compile("Picture of tiny")),
    ("status", "Step at the cursor"),
)


def test_names_and_roles_are_there_for_a_screen_reader_and_a_phone_has_all_of_it(browser, tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    with served("tiny.yaml", cwd=tmp_path) as address:
        page = browser(viewport={"width": 390, "height": 844}).open(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for role, name in NAMED:
            assert page.get_by_role(role, name=name).count() == 1, (role, name)
        unnamed = page.evaluate(
            "() => [...document.querySelectorAll('button, select, input')].filter(e => e.checkVisibility() && "
            "!(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)"
        )
        assert unnamed == []
        first = page.get_by_role("tab", name="Picture")
        first.focus()
        first.press("ArrowRight")
        page.wait_for_selector("#views tr >> text=layer1")

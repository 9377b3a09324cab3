"""The playground in a headless browser that is installed, as a user has it."""

import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@contextmanager
def served(*arguments, cwd):
    """The address of a playground that runs until the block ends."""
    command = [sys.executable, "-m", "archspec", "play", *arguments, "--no-open"]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr.read()
        yield address
    finally:
        process.kill()
        process.communicate()


@contextmanager
def pages():
    """A maker of pages, each with what it complained of and whom it asked; skips where there is no browser to drive."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'")
    if BROWSER is None:
        pytest.skip("no Chromium is installed (Debian: chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, timeout=120_000, args=["--no-sandbox"]
        )  # which root has not
        try:
            yield lambda **options: Watched(browser.new_page(**options))
        finally:
            browser.close()


class Watched:
    """A page, its complaints and the hosts that it asked."""

    def __init__(self, page):
        self.page = page
        self.complaints = []
        self.hosts = set()
        page.set_default_timeout(90_000)  # on a machine that is busy with other tests
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: self.hosts.add(request.url.split("/")[2] if "//" in request.url else request.url[:5]),
        )

    def open(self, address):
        """Go to an address, and wait until the page has its first answers."""
        self.page.goto(address)
        self.page.wait_for_selector("html[data-took]", state="attached")
        return self.page

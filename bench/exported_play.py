"""How soon an exported playground is there, and how soon it answers after a keystroke, in headless Chromium.

archspec play resnet50 --export /tmp/site
python bench/exported_play.py /tmp/site
"""

from __future__ import annotations

import functools
import os
import shutil
import statistics
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

TIMES, LOADS = 9, 3
TICKS = 100  # of a second: what the kernel counts processors in


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def is_ours(process: Path) -> bool:
    """Whether a process descends from this one: others may have browsers as well."""
    while process.name not in ("0", "1"):
        if process.name == str(os.getpid()):
            return True
        process = process.with_name((process / "stat").read_text().rpartition(") ")[2].split()[1])
    return False


def renderers() -> float:
    """Seconds of the processor that the browser's pages have had, whatever else the machine does."""
    found = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (process / "cmdline").read_bytes() and is_ours(process):
                fields = (process / "stat").read_text().rpartition(") ")[2].split()
                found += (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:  # it has ended
            continue
    return found


def timed(act: Any) -> tuple[float, float]:
    """Seconds on the clock, and of the processor, until an act is done."""
    clock, processor = time.perf_counter(), renderers()
    act()
    return time.perf_counter() - clock, renderers() - processor


def main(site: str) -> None:
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        pages = [browser.new_page() for _ in range(LOADS)]  # each with a cache of its own
        for page in pages:
            page.set_default_timeout(300_000)

        def load(page: Page) -> None:
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_selector("html[data-took]", state="attached")

        def typed(number: int) -> None:
            page.evaluate(
                "n => { const { view } = window.play.editor; delete document.documentElement.dataset.took;"
                " view.dispatch({ changes: { from: view.state.doc.line(1).to, insert: ` #${n}` } }); }",
                number,
            )
            page.wait_for_selector("html[data-took]", state="attached")

        def told(name: str, found: list[tuple[float, float]]) -> None:
            clock, processor = map(statistics.median, zip(*found, strict=True))
            print(f"{name:12} {clock:6.2f} {processor:6.2f}", flush=True)

        print(f"seconds on the clock, and of the processor: medians of {LOADS} loads and {TIMES} updates")
        told("first load", [timed(functools.partial(load, page)) for page in pages])
        told("loaded again", [timed(functools.partial(load, page)) for page in pages])
        told("an update", [timed(functools.partial(typed, number)) for number in range(TIMES + 2)][2:])
        server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])

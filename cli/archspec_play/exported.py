"""The playground in the reader's own browser: Python there answers what the page asks, as the server does elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from archspec_play.opened import Opened
from archspec_play.playground import Playground

FOLDER = Path("/specs")
"""Where the spec stands, with those that it extends, in the files that the browser's Python has."""


def playground(opened: str) -> Playground:
    """The playground of what was opened when it was exported, as `archspec_play.export` writes that."""
    told = json.loads(opened)
    folder = FOLDER / told["folder"]
    folder.mkdir(parents=True, exist_ok=True)  # `..` leads nowhere from one that is not there
    for name, text in told["extended"].items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    spec = Opened(told["name"], told["text"], None, folder, told["preset"], told["values"], told["fragment"])
    return Playground(spec, [FOLDER])

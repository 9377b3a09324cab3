"""Links below the specs of a page that open them in the playground, which stands beside the pages."""

from __future__ import annotations

import posixpath
import re

from archspec_play.sharing import fragment

FOLDER = "play"
SPEC = re.compile(r"^```yaml\n((?:(?!```).*\n)*?archspec: 1\n(?:(?!```).*\n)*)```$", re.MULTILINE)
"""A block of code that is a whole spec."""


def with_links(page: str, text: str) -> str:
    """A page of the site whose specs open in the playground by a click."""
    place = posixpath.relpath(FOLDER, posixpath.dirname(page) or ".")
    return SPEC.sub(lambda block: f"{block[0]}\n\n{_link(place, block[1])}", text)


def _link(place: str, spec: str) -> str:
    return f'<p class="play"><a href="{place}/#{fragment(spec)}">Open in the playground</a></p>\n'

"""The pages of the site, laid out like the checkout: those that are written, and those that are made of archspec itself."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from website import gallery, library, options, python_api
from website.diagram import diagram
from website.markdown import LINK, outside_code, targets
from website.navigation import trees, within
from website.pictures import ASKS, as_image, in_both_colours
from website.playground import with_links

REPO = Path(__file__).parents[2]
WRITTEN = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/**/*.md", "docs/*.md", "docs/diagnostics/*.md")
OVERVIEW = "docs/README.md"  # which is the navigation of the site
STANDS_FOR = {
    "README.md": "index.md",
    OVERVIEW: "index.md",
    "archspec/blocks": "docs/library.md",
    "specs": "docs/zoo/index.md",
}
"""Pages of the site in the place of what links lead to in the checkout."""
BELOW_DIAGNOSTICS = "```{toctree}\n:hidden:\n:glob:\n\nAS*\n```\n"


def gather(out: Path, *, play: bool = False) -> None:
    """Write what Sphinx reads; with `play`, specs have links that open them in the playground beside the pages.

    A file that is as it was keeps its time, so that Sphinx need not read it again.
    """
    files = {
        name: (with_links(name, text) if play and name.endswith(".md") else text).encode() for name, text in pages()
    }
    files |= {name: (REPO / name).read_bytes() for name in linked_files()}
    for name, content in files.items():
        path = out / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for path in out.rglob("*"):
        if path.is_file() and path.relative_to(out).as_posix() not in files:
            path.unlink()


def pages() -> Iterator[tuple[str, str]]:
    """All pages, and the pictures that are made, by their path."""
    yield from written()
    for made in (options, python_api, library, gallery):
        yield from made.pages()


def written() -> Iterator[tuple[str, str]]:
    """The pages that are written, as the site has them, and their pictures of nets in both colours."""
    below = {"README.md": trees(read(OVERVIEW)), "docs/diagnostics/README.md": BELOW_DIAGNOSTICS}
    for page in sources():
        yield STANDS_FOR.get(page, page), on_the_site(page, read(page)) + below.get(page, "")
    for name in linked_files():
        if is_net(name):
            yield from in_both_colours(name, read(name))


def sources() -> list[str]:
    """The pages that are written, by their path in the checkout."""
    found = {path.relative_to(REPO).as_posix() for pattern in WRITTEN for path in REPO.glob(pattern)}
    return sorted(found - {OVERVIEW})


def linked_files() -> list[str]:
    """The files beside the pages that these show or lead to."""
    found = {within(target.partition("#")[0], page) for page in sources() for target in targets(read(page))}
    return sorted(name for name in found if (REPO / name).is_file() and not name.endswith(".md"))


def on_the_site(page: str, text: str) -> str:
    """A page whose links lead to pages of the site, and whose pictures have its colours."""
    text = re.sub(r"^```mermaid\n(.*?)^```$", lambda shown: diagram(shown[1]), text, flags=re.MULTILINE | re.DOTALL)
    return outside_code(lambda part: LINK.sub(lambda link: _link(page, link), part), text) + "\n"


def _link(page: str, link: re.Match[str]) -> str:
    mark, shown, target = link.groups()
    path, _, anchor = target.partition("#")
    place = within(path, page)
    if mark and is_net(place):
        return as_image(path.removesuffix(".svg"), shown)
    if path and place in STANDS_FOR:
        there = posixpath.relpath(STANDS_FOR[place], posixpath.dirname(page) or ".")
        return f"[{shown}]({there}#{anchor})" if anchor else f"[{shown}]({there})"
    return shown if path and (REPO / place).is_dir() else link[0]


def is_net(name: str) -> bool:
    """Whether a file is a picture of a net."""
    return name.endswith(".svg") and (REPO / name).is_file() and ASKS in read(name)


def read(name: str) -> str:
    """The text of a file of the checkout."""
    return (REPO / name).read_text(encoding="utf-8")

"""Pictures of nets in the colours of the site, which has a switch of its own where a file alone asks the system."""

from __future__ import annotations

from collections.abc import Iterator

ASKS = "@media (prefers-color-scheme: dark)"
"""How a picture asks for dark colours."""
COLOURS = {"light": "@media not all", "dark": "@media all"}


def in_both_colours(name: str, svg: str) -> Iterator[tuple[str, str]]:
    """A picture as two, light and dark, by their paths."""
    for colour, always in COLOURS.items():
        yield f"{name.removesuffix('.svg')}.{colour}.svg", svg.replace(ASKS, always)


def as_image(stem: str, about: str, *, wide: bool = True) -> str:
    """Both pictures, of which the site shows one: as `wide` as the page, and leading to the file."""
    width = ' width="100%"' if wide else ""
    return "".join(f"![{about}]({stem}.{colour}.svg){{.only-{colour}{width}}}" for colour in COLOURS)

"""What a page of the playground asks, and the answers: the same to a page that is served and to one that runs the core itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archspec.loading import zoo
from archspec.version import __version__
from archspec_play.answers import completed, defined, diagnosed, explained, hovered, looked
from archspec_play.opened import ChangedError, FolderError, Opened
from archspec_play.pages import Page, Pages
from archspec_play.views import VIEWS, Asked, backends, view

QUESTIONS = ("start", "look", "presets", "complete", "hover", "define", "explain", "save", "reload")


class AskedError(Exception):
    """A question that no page of the playground asks."""


class Playground:
    """One spec that was opened, and the pages on which it is looked at."""

    def __init__(self, opened: Opened, include: Sequence[Path]) -> None:
        self.opened = opened
        self.pages = Pages(opened.path, include)

    def answer(self, name: str, question: str) -> str:
        """The answer to a question of the page, both in JSON. Raises AskedError for what no page asks."""
        if name not in QUESTIONS:
            raise AskedError(f"there is no question `{name}`")
        try:
            asked = json.loads(question)
            if not isinstance(asked, dict):
                raise AskedError("a question is an object")
            return json.dumps(
                getattr(self, name)(asked), ensure_ascii=False, allow_nan=False, separators=(",", ":")
            )
        except (ValueError, RecursionError) as error:
            raise AskedError(str(error)) from None

    def start(self, asked: dict[str, Any]) -> Any:
        """What the page begins with."""
        opened = self.opened
        return {
            "version": __version__, "name": opened.name, "text": opened.text, "preset": opened.preset,
            "values": dict(opened.overrides), "fragment": opened.fragment, "digest": opened.digest, "backends": backends(),
            "file": str(opened.file) if opened.file is not None else None,
            "zoo": [*zoo.names(), *zoo.members()],
        }  # fmt: skip

    def look(self, asked: dict[str, Any]) -> Any:
        """What is said beside the text, and the views that the page shows, by their names."""
        page = self._page(asked)
        views = asked.get("views") or {}
        if not isinstance(views, dict) or not all(
            isinstance(v, dict) and name in VIEWS for name, v in views.items()
        ):
            raise AskedError(f"views are among {', '.join(VIEWS)}")
        answer: dict[str, Any] = {} if asked.get("views_alone") else looked(page, self._name())
        facts = page.document.facts()
        if facts is not None:
            shown = {name: Asked(page, facts.net, v, self.opened.text) for name, v in views.items()}
            answer["views"] = {name: view(name, asked) for name, asked in shown.items()}
        return answer

    def presets(self, asked: dict[str, Any]) -> Any:
        """The problems with those of the presets that are not chosen."""
        return diagnosed(self._page(asked), presets=True)

    def complete(self, asked: dict[str, Any]) -> Any:
        """What may stand at a place."""
        return completed(self._page(asked), _whole(asked, "offset"))

    def hover(self, asked: dict[str, Any]) -> Any:
        """What is at a place."""
        return hovered(self._page(asked), _whole(asked, "offset"))

    def define(self, asked: dict[str, Any]) -> Any:
        """Where what is at a place is declared."""
        return defined(self._page(asked), _whole(asked, "offset"))

    def explain(self, asked: dict[str, Any]) -> Any:
        """What a diagnostic means."""
        return explained(_text(asked, "code"))

    def save(self, asked: dict[str, Any]) -> Any:
        """Write the text into the file that was opened."""
        if self.opened.file is None:
            return {"error": "this spec has no file of its own: download it"}
        try:
            digest = self.opened.save(_text(asked, "text"), _text(asked, "digest"))
        except ChangedError:
            message = f"{self.opened.file} was changed since it was opened here, and is left as it is"
            return {"error": message, "changed": True}
        except (FolderError, OSError) as error:
            return {"error": f"{error}; download the text instead"}
        return {"saved": str(self.opened.file), "digest": digest}

    def reload(self, asked: dict[str, Any]) -> Any:
        """The text of the file as it is now."""
        try:
            text = self.opened.read() if self.opened.file is not None else self.opened.text
            return {"text": text, "digest": self.opened.digest}
        except (OSError, ValueError) as error:
            return {"error": f"cannot read {self.opened.file}: {error}"}

    def _page(self, asked: dict[str, Any]) -> Page:
        values = asked.get("values") or {}
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise AskedError("values are texts by key")
        preset = asked.get("preset") or None
        if preset is not None and not isinstance(preset, str):
            raise AskedError("a preset is a text")
        return self.pages.page(_text(asked, "page"), _text(asked, "text"), preset, values)

    def _name(self) -> str:
        return str(self.opened.file) if self.opened.file is not None else self.opened.name


def _text(asked: dict[str, Any], key: str) -> str:
    if not isinstance(value := asked.get(key), str):
        raise AskedError(f"`{key}` is a text")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a letter is none


def _whole(asked: dict[str, Any], key: str) -> int:
    value = asked.get(key)
    if not isinstance(value, int) or value < 0:
        raise AskedError(f"`{key}` is a whole number")
    return value

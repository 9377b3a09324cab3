"""The application: the page, what it is made of, and what it asks, each answer as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from archspec.loading import zoo
from archspec.version import __version__
from archspec_play.answers import completed, defined, explained, hovered, looked
from archspec_play.guard import Guard
from archspec_play.opened import ChangedError, FolderError, Opened
from archspec_play.pages import Page, Pages
from archspec_play.views import VIEWS, Asked, backends, view

FILES = {"play.js": "text/javascript", "play.css": "text/css", "icon.svg": "image/svg+xml"}
LICENSES = "licenses.txt"


class AskedError(Exception):
    """A question that no page of the playground asks."""


def application(opened: Opened, token: str, hosts: Collection[str], include: Sequence[Path] = ()) -> Guard:
    """The playground as an ASGI application that answers the page alone."""
    playground = Playground(opened, include)
    routes = [
        Route("/", playground.index),
        *(Route(f"/{name}", playground.file) for name in (*FILES, LICENSES)),
        Route("/start", playground.start, methods=["POST"]),
        *(
            Route(f"/{name}", _answering(answer), methods=["POST"])
            for name, answer in (
                ("look", playground.look),
                ("complete", playground.complete),
                ("hover", playground.hover),
                ("define", playground.define),
                ("explain", playground.explain),
                ("save", playground.save),
                ("reload", playground.reload),
            )
        ),
    ]
    return Guard(Starlette(routes=routes), token, hosts)


class Playground:
    """One spec that was opened, and the pages on which it is looked at."""

    def __init__(self, opened: Opened, include: Sequence[Path]) -> None:
        self.opened = opened
        self.pages = Pages(opened.path, include)

    # --- the page --------------------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        """The page, whose styles the browser takes by the nonce of this answer."""
        text = _page_file("index.html").decode().replace("{{nonce}}", request.scope["nonce"])
        return Response(text, media_type="text/html")

    async def file(self, request: Request) -> Response:
        """A file of the page."""
        name = request.url.path.rpartition("/")[2]
        return Response(_page_file(name), media_type=FILES.get(name, "text/plain"))

    async def start(self, request: Request) -> Response:
        """What the page begins with."""
        opened = self.opened
        return JSONResponse({
            "version": __version__, "name": opened.name, "text": opened.text, "preset": opened.preset,
            "values": dict(opened.overrides), "fragment": opened.fragment, "digest": opened.digest, "backends": backends(),
            "file": str(opened.file) if opened.file is not None else None,
            "zoo": [*zoo.names(), *zoo.members()],
        })  # fmt: skip

    # --- what it asks ----------------------------------------------------------------------------------

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


def _answering(answer: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
    """An endpoint of an answer. It waits for no other: the service looks at one document at a time."""

    async def endpoint(request: Request) -> Response:
        try:
            asked = json.loads(await request.body())
            if not isinstance(asked, dict):
                raise AskedError("a question is an object")
            return JSONResponse(answer(asked))
        except (AskedError, ValueError, RecursionError) as error:
            return PlainTextResponse(f"refused: {error}\n", 400)

    return endpoint


def _text(asked: dict[str, Any], key: str) -> str:
    if not isinstance(value := asked.get(key), str):
        raise AskedError(f"`{key}` is a text")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a letter is none


def _whole(asked: dict[str, Any], key: str) -> int:
    value = asked.get(key)
    if not isinstance(value, int) or value < 0:
        raise AskedError(f"`{key}` is a whole number")
    return value


def _page_file(name: str) -> bytes:
    return (files("archspec_play") / "page" / name).read_bytes()
